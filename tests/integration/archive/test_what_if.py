"""Forecasts of a run, made without storing or changing anything."""

from __future__ import annotations

from datetime import date

from muniment.model.deletion_rule import AT_ONCE, DeletionRule
from muniment.model.mail_filter import MailFilter
from muniment.services.doctor.what_if import Forecast, estimate_seconds, known_pace, what_if
from tests.support.harness import Harness
from tests.support.imap_script import MODERN_CAPABILITIES, Mail
from tests.support.imap_server import ImapServer
from tests.support.principal import ADMIN
from tests.support.scripted import NEIGHBOURS, TARGET, mailbox, mails, message, neighbourhood, submit


async def _forecasts(harness: Harness) -> dict[str, Forecast]:
    return {one.mailbox: one async for one in what_if(ADMIN, harness.resources, "all")}


async def _rows(harness: Harness) -> dict[str, int]:
    tables = ("messages", "entries", "folders", "runs", "jobs", "deletions", "quarantine")
    async with harness.database.session() as session:
        return {table: await session.value(f"SELECT count(*) FROM {table}") for table in tables}  # noqa: S608 - names of ours


async def test_it_tells_what_a_run_then_does(harness: Harness) -> None:
    """The forecast reports new and filtered messages and their sizes, and the run then archives exactly those."""
    script = neighbourhood(mailbox("target", messages=30), NEIGHBOURS)
    inbox = script.mailboxes[TARGET][b"INBOX"]
    inbox.messages = [mail._replace(date=f"17-Jul-{2000 + mail.uid} 02:44:25 -0700") for mail in inbox.messages]
    async with ImapServer(script) as server:
        await submit(harness, server, filter=MailFilter(since=date(2011, 1, 1)))
        before = await _rows(harness)
        first = await _forecasts(harness)
        assert not server.sent("SELECT")
        assert not any("BODY.PEEK[]" in line for line in server.lines)
        assert await _rows(harness) == before
        report = await harness.archive("all")

        inbox.messages = [*inbox.messages, *mails("new", 3, first=40)]
        second = await _forecasts(harness)
        pace = await known_pace(ADMIN, harness.resources, "all")
        again = await harness.archive("all")

    expected = sum(one.messages for one in first.values())
    assert (report.run.messages.archived, report.run.bytes) == (expected, sum(one.bytes for one in first.values()))
    assert (first[TARGET].messages, first[TARGET].filtered) == (20 + 60, 10)
    assert {address: one.messages for address, one in second.items() if one.messages} == {TARGET: 3}
    assert again.run.messages.archived == 3
    assert not any(one.error for one in (*first.values(), *second.values()))
    seconds = estimate_seconds(pace, expected, report.run.bytes)
    assert seconds is not None
    assert seconds > 0


async def test_deletion_is_told_before_it_happens(harness: Harness) -> None:
    """The forecast of deletions includes messages that the same run would archive; flagged ones count as kept."""
    script = neighbourhood(mailbox("target", messages=10, folders=[b"INBOX", b"Work"]), ())
    script.capabilities = f"{MODERN_CAPABILITIES} UIDPLUS"
    inbox = script.mailboxes[TARGET][b"INBOX"]
    async with ImapServer(script) as server:
        await submit(harness, server, name="before")
        await harness.archive("before")
        inbox.messages = [
            *(mail._replace(flags=("\\Flagged",)) if mail.uid == 3 else mail for mail in inbox.messages),
            Mail(50, message("fifty")),
        ]
        inbox.highestmodseq += 1
        await submit(harness, server, deletion=DeletionRule(after=AT_ONCE))
        server.lines.clear()
        found = (await _forecasts(harness))[TARGET]
        changed = [line for line in server.lines if line.split()[0] in {"SELECT", "STORE", "EXPUNGE"}]
        before = [mail.uid for mail in inbox.messages]
        report = await harness.archive("all")

    assert not changed
    assert before == [*range(1, 11), 50]
    assert len(found.deletions) == report.run.messages.deleted == 20
    assert dict(found.kept) == {"it is flagged": 1}
    assert [one.uid for one in found.deletions if one.sha256 is None] == [50]


async def test_mailboxes_that_cannot_be_seen(harness: Harness) -> None:
    """Mailboxes that cannot be read are reported with the reason, along with the results of the others."""
    script = neighbourhood(mailbox("target"), NEIGHBOURS)
    script.mailboxes[TARGET][b"INBOX"].search_refused = "NO"
    async with ImapServer(script) as server:
        await submit(harness, server, mailboxes=[*script.mailboxes, "nobody@example.com"])
        found = await _forecasts(harness)

    assert "refused the login" in found["nobody@example.com"].error
    assert "INBOX" in found[TARGET].warnings[0]
    assert found[TARGET].messages == 12
    assert sum(one.messages for one in found.values()) == 12 + 18 * len(NEIGHBOURS)
