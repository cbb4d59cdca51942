"""What a server delivers in place of messages, and other sizes than it announced: archived, named, never deleted."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from muniment.errors import Misconfigured, NotFound
from muniment.model.deletion_rule import AT_ONCE, DeletionRule
from muniment.model.multidrop import Multidrop
from muniment.model.profile import Access, ProfileKind, Server
from muniment.model.quarantined import QuarantineChoice, Quarantined
from muniment.model.run import RunState
from muniment.secrecy import Secret
from muniment.services.access.audit import show_audit
from muniment.services.deleting.show_deletions import show_kept
from muniment.services.doctor.what_if import what_if
from muniment.services.operating.show_status import list_quarantine, show_status
from muniment.services.operating.tend_quarantine import (
    accept_quarantined,
    export_quarantined,
    retry_quarantined,
    show_quarantined,
)
from muniment.services.reading.show_message import show_message
from muniment.services.runs.lifecycle import RunReport
from tests.support.harness import Harness
from tests.support.imap_script import MODERN_CAPABILITIES, Folder, Mail, Script
from tests.support.imap_server import ImapServer
from tests.support.pop3_server import Pop3Script, Pop3Server
from tests.support.principal import ADMIN
from tests.support.scripted import TARGET, mails, message, proven, submit

_ALL = DeletionRule(after=AT_ONCE)
_DESPITE = DeletionRule(after=AT_ONCE, despite_size=True)


def _stub(number: int, protocol: str = "IMAP4") -> bytes:
    """Return what Exchange delivers in place of a message."""
    return (
        b'MIME-Version: 1.0\r\nContent-Type: text/plain; charset="us-ascii"\r\nFrom: Microsoft Exchange Server\r\n'
        b"To: Target <target@example.com>\r\nSubject: Retrieval using the %b protocol failed for the following\r\n"
        b" message: %d\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        b'The server couldn\'t retrieve the following message:\r\n\r\nSubject: "letter %d"\r\n'
    ) % (protocol.encode(), number, number)


def _script(count: int = 6) -> Script:
    folders = {
        b"INBOX": Folder(mails("inbox", count), uidvalidity=7),
        b"Work": Folder(mails("work", count), uidvalidity=8),
    }
    return Script(mailboxes={TARGET: folders}, capabilities=f"{MODERN_CAPABILITIES} UIDPLUS")


def _folder(script: Script, name: bytes = b"INBOX") -> Folder:
    return script.mailboxes[TARGET][name]


def _put(script: Script, uid: int, content: bytes) -> None:
    folder = _folder(script)
    folder.messages = [mail._replace(content=content) if mail.uid == uid else mail for mail in folder.messages]


def _left(script: Script, name: bytes = b"INBOX") -> list[int]:
    return [mail.uid for mail in _folder(script, name).messages]


def _warnings(report: RunReport) -> str:
    return "\n".join(text for notice in report.notices for text in notice.warnings)


async def _quarantine(harness: Harness, **options: Any) -> list[Quarantined]:
    return await list_quarantine(ADMIN, harness.resources, None, **options)


async def _execute(harness: Harness, query: str) -> None:
    async with harness.database.session() as session:
        await session.execute(query)


# -- substitutes ---------------------------------------------------------------------------------------


async def test_a_substitute_is_archived_and_stays_on_the_server(harness: Harness) -> None:
    """It is searchable, flagged and in quarantine; its folder is not complete, and no rule deletes it."""
    script = _script()
    _put(script, 3, _stub(3))
    async with ImapServer(script) as server:
        await submit(harness, server, deletion=_ALL)
        first = await harness.archive("all")
        second = await harness.archive("all")

    [row] = await _quarantine(harness)
    assert first.run.state is second.run.state is RunState.INCOMPLETE
    assert _left(script) == [1, 2, 3, 4, 5, 6]
    assert _left(script, b"Work") == []
    assert (row.uid, row.path, row.substitute) == (3, ["INBOX"], "Exchange cannot convert the message")
    assert row.sha256 == hashlib.sha256(_stub(3)).digest()
    assert not await proven(harness)
    assert "something else in place of 1 of its messages" in _warnings(first)
    assert "`muniment quarantine list`" in _warnings(second)
    [place] = await show_message(ADMIN, harness.resources, hashlib.sha256(_stub(3)).hexdigest())
    assert place.substitute == "Exchange cannot convert the message"
    assert (first.run.messages.archived, first.run.messages.quarantined) == (11, 1)
    assert (second.run.messages.archived, second.run.messages.quarantined) == (0, 0)
    assert len(await harness.search("subject:retrieval")) == 1


async def test_the_original_comes_later(harness: Harness) -> None:
    """A substitute is asked for again after a day; its original takes its place, and both are archived."""
    script = _script()
    original = _folder(script).messages[2].content
    assert isinstance(original, bytes)
    _put(script, 3, _stub(3))
    async with ImapServer(script) as server:
        await submit(harness, server, deletion=_ALL)
        await harness.archive("all")
        _put(script, 3, original)
        too_early = await harness.archive("all")
        await _execute(harness, "UPDATE quarantine SET last_tried = now() - interval '25 hours'")
        healed = await harness.archive("all")

    assert too_early.run.state is RunState.INCOMPLETE
    assert (healed.run.state, healed.run.messages.archived) == (RunState.SUCCEEDED, 1)
    assert not await _quarantine(harness)
    assert await proven(harness)
    assert _left(script) == []
    contents = await harness.exported(TARGET)
    assert contents["INBOX",][hashlib.sha256(original).hexdigest()] == 1
    assert contents["INBOX",][hashlib.sha256(_stub(3)).hexdigest()] == 1


async def test_still_a_substitute(harness: Harness) -> None:
    """A retry that brings a substitute again, even in other words, stores nothing but the attempt."""
    script = _script()
    _put(script, 3, _stub(3))
    async with ImapServer(script) as server:
        await submit(harness, server)
        await harness.archive("all")
        [row] = await _quarantine(harness)
        tended = await retry_quarantined(ADMIN, harness.resources, QuarantineChoice([row.id]))
        _put(script, 3, _stub(3) + b"Now in other words.\r\n")
        again = await harness.archive("all")
        [after] = await _quarantine(harness)

    assert tended.profiles == ["all"]
    assert (again.run.messages.archived, again.run.messages.quarantined) == (0, 1)
    assert (after.attempts, after.retry, after.sha256) == (2, False, row.sha256)


async def test_what_was_archived_before_it_was_known(harness: Harness) -> None:
    """A substitute that is archived as ordinary mail is recognised when it is read back, and kept."""
    script = _script()
    _put(script, 3, _stub(3))
    async with ImapServer(script) as server:
        await submit(harness, server)
        await harness.archive("all")
        # As earlier versions left it.
        await _execute(harness, "DELETE FROM quarantine")
        await _execute(harness, "UPDATE entries SET substitute = NULL")
        await submit(harness, server, name="delete", deletion=_ALL)
        report = await harness.archive("delete")
        [row] = await _quarantine(harness)

    assert _left(script) == [3]
    assert "UID 3 in INBOX: the server delivered something else in its place" in _warnings(report)
    assert row.uid == 3
    [kept] = await show_kept(ADMIN, harness.resources, run_id=None, address=None, limit=None)
    assert (kept.uid, kept.announced) == (3, None)


async def test_what_may_be_a_substitute_only_stays(harness: Harness) -> None:
    """A message that only looks like one does not keep its folder incomplete; it alone stays on the server."""
    script = _script()
    _put(script, 3, _stub(3).replace(b"Microsoft Exchange Server", b"Anna <a@example.com>\r\nMessage-ID: <1@a>"))
    _put(script, 4, b"X-MS-Class: IPM.Note.EnterpriseVault.Shortcut\r\nSubject: a\r\n\r\nshortcut\r\n")
    async with ImapServer(script) as server:
        await submit(harness, server, deletion=_ALL)
        report = await harness.archive("all")

    assert report.run.state is RunState.SUCCEEDED
    assert _left(script) == [3, 4]
    assert "looks like" in _warnings(report)
    assert not await _quarantine(harness)


async def test_mail_about_substitutes_is_ordinary(harness: Harness) -> None:
    """Mail that quotes a substitute is deleted like any other."""
    script = _script()
    quoting = message("quoting", b"> " + _stub(1)).replace(b"Subject: ", b"Subject: Fwd: Retrieval using the IMAP4 ")
    _put(script, 3, quoting)
    async with ImapServer(script) as server:
        await submit(harness, server, deletion=_ALL)
        await harness.archive("all")

    assert _left(script) == []


async def test_patterns_of_the_administrator(harness: Harness, tmp_path: Path) -> None:
    """A file with patterns makes other servers' substitutes known."""
    path = tmp_path / "more.toml"
    path.write_text('[[substitute]]\nname = "gateway"\nsubject = "about inbox-3"\n')
    script = _script()
    own = harness.with_settings(substitutes_file=path)
    async with ImapServer(script) as server:
        await submit(own, server, deletion=_ALL)
        report = await own.archive("all")

    assert report.run.state is RunState.INCOMPLETE
    assert [(row.uid, row.substitute) for row in await _quarantine(own)] == [(3, "gateway")]
    assert len(_left(script)) == 6


async def test_a_substitute_under_a_new_uidvalidity(harness: Harness) -> None:
    """A substitute that is recognised under a new number is still one."""
    script = _script()
    _put(script, 3, _stub(3))
    async with ImapServer(script) as server:
        await submit(harness, server, deletion=_ALL)
        await harness.archive("all")
        folder = _folder(script)
        folder.uidvalidity = 70
        folder.messages = [mail._replace(uid=mail.uid + 100) for mail in folder.messages]
        report = await harness.archive("all")

    assert report.run.state is RunState.INCOMPLETE
    assert [row.uid for row in await _quarantine(harness)] == [103]
    assert _left(script) == [101, 102, 103, 104, 105, 106]


async def test_a_substitute_that_leaves_the_server(harness: Harness) -> None:
    """Nothing is missing any more when the message has left the server; its substitute stays archived and flagged."""
    script = _script()
    _put(script, 3, _stub(3))
    async with ImapServer(script) as server:
        await submit(harness, server)
        await harness.archive("all")
        _folder(script).messages = [mail for mail in _folder(script).messages if mail.uid != 3]
        report = await harness.archive("all")

    assert report.run.state is RunState.SUCCEEDED
    assert not await _quarantine(harness)
    [place] = await show_message(ADMIN, harness.resources, hashlib.sha256(_stub(3)).hexdigest())
    assert (place.gone is not None, place.substitute) == (True, "Exchange cannot convert the message")


# -- sizes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("claimed", [20_000, 10, 0, 2**63, 10**19])
async def test_another_size_stays_on_the_server(harness: Harness, claimed: int) -> None:
    """Too short or too long: the message is archived, named and kept, until an administrator decides otherwise."""
    script = _script()
    _folder(script).claimed_sizes = {2: claimed}
    content = _folder(script).messages[1].content
    assert isinstance(content, bytes)
    async with ImapServer(script) as server:
        await submit(harness, server, deletion=_ALL)
        report = await harness.archive("all")
        kept = await show_kept(ADMIN, harness.resources, run_id=report.run.id, address=TARGET.upper(), limit=None)
        left = _left(script)
        [place] = await show_message(ADMIN, harness.resources, hashlib.sha256(content).hexdigest())
        await submit(harness, server, name="despite", deletion=_DESPITE)
        [forecast] = [one async for one in what_if(ADMIN, harness.resources, "despite")]
        await harness.archive("despite")

    announced = min(claimed, 2**63 - 1)
    assert report.run.state is RunState.SUCCEEDED
    assert left == [2]
    assert [(row.uid, row.announced, row.received) for row in kept] == [(2, announced, len(content))]
    assert place.announced == announced
    assert "UID 2 in INBOX: the server announced" in _warnings(report)
    assert "1 new message has another size" in _warnings(report)
    assert "deletion.despite_size=true" in _warnings(report)
    assert [deletion.uid for deletion in forecast.deletions] == [2]
    assert _left(script) == []
    assert not await show_kept(ADMIN, harness.resources, run_id=None, address=None, limit=None)


async def test_a_forecast_tells_what_stays(harness: Harness) -> None:
    """`--what-if` counts the messages that stay because of their size."""
    script = _script()
    _folder(script).claimed_sizes = {2: 20_000}
    async with ImapServer(script) as server:
        await submit(harness, server)
        await harness.archive("all")
        await submit(harness, server, name="delete", deletion=_ALL)
        [forecast] = [one async for one in what_if(ADMIN, harness.resources, "delete")]

    assert len(forecast.deletions) == 11
    assert forecast.kept == {"its size is not the one that the server announces": 1}


@pytest.mark.parametrize(
    "content",
    [
        b"Subject: only a header\r\nMessage-ID: <1@a>\r\n\r\n",
        b'Subject: m\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\nhello\r\n--b\r\n\r\nSGVs\r\n',
    ],
    ids=["only the header", "without its last boundary"],
)
async def test_what_is_cut_stays_despite_the_rule(harness: Harness, content: bytes) -> None:
    """If the administrator trusts no sizes, a message that is obviously cut stays all the same."""
    script = _script()
    _put(script, 2, content)
    _folder(script).claimed_sizes = {2: 20_000}
    async with ImapServer(script) as server:
        await submit(harness, server, deletion=_DESPITE)
        report = await harness.archive("all")

    assert _left(script) == [2]
    assert "delivered are cut" in _warnings(report)


async def test_a_size_that_was_wrong_when_it_was_archived(harness: Harness) -> None:
    """A server that announces the right size later delivered something else at the time."""
    script = _script()
    _folder(script).claimed_sizes = {2: 20_000}
    async with ImapServer(script) as server:
        await submit(harness, server)
        await harness.archive("all")
        _folder(script).claimed_sizes = {}
        await submit(harness, server, name="delete", deletion=_ALL)
        await harness.archive("delete")

    assert _left(script) == [2]


async def test_a_mailbox_of_wrong_sizes_is_named_in_few_lines(harness: Harness) -> None:
    """Where every size is wrong, the warnings name some messages, and the list has all."""
    script = _script(120)
    _folder(script).claimed_sizes = dict.fromkeys(range(1, 121), 5)
    async with ImapServer(script) as server:
        await submit(harness, server, deletion=_ALL)
        report = await harness.archive("all")

    assert len(_left(script)) == 120
    assert _warnings(report).count("kept on the server: UID") == 50
    assert len(await show_kept(ADMIN, harness.resources, run_id=None, address=None, limit=None)) == 120


# -- POP3 ----------------------------------------------------------------------------------------------


async def _pop3(harness: Harness, script: Pop3Script, deletion: DeletionRule) -> RunReport:
    async with Pop3Server(script) as server:
        await harness.submit(
            "pop", server.host, server.port, kind=ProfileKind.SINGLE, mailboxes=[TARGET], user=TARGET, login=None,
            password=Secret("secret"), server=Server(server.host, server.port, Access.POP3), deletion=deletion,
        )  # fmt: skip
        return await harness.archive("pop")


async def test_pop3_substitute_stays(harness: Harness) -> None:
    """POP3 delivers substitutes as well."""
    script = Pop3Script([message("one"), _stub(2, "POP3"), message("three")])
    report = await _pop3(harness, script, _ALL)

    assert report.run.state is RunState.INCOMPLETE
    assert len(script.messages) == 3


@pytest.mark.parametrize(("claimed", "rule", "left"), [(20_000, _ALL, 3), (5, _ALL, 3), (20_000, _DESPITE, 0)])
async def test_pop3_sizes(harness: Harness, claimed: int, rule: DeletionRule, left: int) -> None:
    """The size that LIST tells counts like RFC822.SIZE."""
    script = Pop3Script([message("one"), message("two"), message("three")], claimed_size=claimed)
    await _pop3(harness, script, rule)

    assert len(script.messages) == left


# -- the quarantine ------------------------------------------------------------------------------------


async def test_accepting_a_missing_message(harness: Harness) -> None:
    """With a reason, which the audit log keeps, a missing message no longer keeps its mailbox incomplete and stale."""
    script = _script()
    _folder(script).nil_bodies = {2}
    async with ImapServer(script) as server:
        await submit(harness, server, deletion=_ALL)
        first = await harness.archive("all")
        [row] = await _quarantine(harness)
        with pytest.raises(Misconfigured, match="reason"):
            await accept_quarantined(ADMIN, harness.resources, QuarantineChoice([row.id]), "  ")
        before = await show_status(ADMIN, harness.resources)
        tended = await accept_quarantined(ADMIN, harness.resources, QuarantineChoice([row.id]), "it is empty")
        commands = len(server.sent("UID FETCH"))
        second = await harness.archive("all")
        fetches = server.sent("UID FETCH")[commands:]
        third = await harness.archive("all")
        after = await show_status(ADMIN, harness.resources)

    assert (first.run.state, second.run.state, third.run.state) == (
        RunState.INCOMPLETE,
        RunState.SUCCEEDED,
        RunState.SUCCEEDED,
    )
    assert ([message.uid for message in tended.messages], tended.profiles) == ([2], ["all"])
    assert not any("BODY.PEEK[]" in line for line in fetches)
    assert (before.stale_count, before.totals.incomplete, before.totals.quarantined) == (1, 1, 1)
    assert (after.stale_count, after.totals.incomplete, after.totals.quarantined, after.totals.accepted) == (0, 0, 0, 1)
    assert await proven(harness)
    assert _left(script) == [2]
    assert second.run.messages.held is not None
    assert (second.run.messages.held.accepted, second.run.messages.held.missing) == (1, 0)
    accepting = [e for e in await show_audit(ADMIN, harness.resources, None, 50) if e.action == "quarantine accepted"]
    [entry] = [e for e in accepting if e.outcome == "done"]
    assert entry.details is not None
    assert (entry.subject, entry.details["accepted because"]) == (f"{TARGET}/INBOX UID 2", "it is empty")
    assert not await _quarantine(harness)
    [accepted] = await _quarantine(harness, accepted=True)
    assert (accepted.acceptance, accepted.accepted_by) == ("it is empty", ADMIN.name)


async def test_accepting_a_substitute(harness: Harness) -> None:
    """An accepted substitute no longer keeps its folder incomplete, and stays on the server for ever."""
    script = _script()
    _put(script, 3, _stub(3))
    async with ImapServer(script) as server:
        await submit(harness, server, deletion=_DESPITE)
        await harness.archive("all")
        await accept_quarantined(ADMIN, harness.resources, QuarantineChoice(substitutes=True), "a calendar entry")
        await _execute(harness, "UPDATE quarantine SET last_tried = now() - interval '25 hours'")
        second = await harness.archive("all")
        third = await harness.archive("all")

    assert second.run.state is third.run.state is RunState.SUCCEEDED
    assert _left(script) == [3]
    assert second.run.messages.quarantined == 0


async def test_retrying_takes_back_the_acceptance(harness: Harness) -> None:
    """A message that was accepted is fetched again on request, even in a folder that did not change since."""
    script = _script()
    _folder(script).nil_bodies = {2}
    async with ImapServer(script) as server:
        await submit(harness, server)
        await harness.archive("all")
        await accept_quarantined(ADMIN, harness.resources, QuarantineChoice(address=TARGET), "why not")
        await harness.archive("all")
        _folder(script).nil_bodies = set()
        untouched = await harness.archive("all")
        [row] = await _quarantine(harness, accepted=True)
        await retry_quarantined(ADMIN, harness.resources, QuarantineChoice([row.id]))
        found = await show_quarantined(ADMIN, harness.resources, row.id)
        healed = await harness.archive("all")

    assert untouched.run.messages.archived == 0
    assert (found.retry, found.accepted) == (True, None)
    assert (healed.run.state, healed.run.messages.archived) == (RunState.SUCCEEDED, 1)
    assert not await _quarantine(harness)
    assert not await _quarantine(harness, accepted=True)


async def test_exporting_what_arrived(harness: Harness) -> None:
    """The bytes of a substitute come out as they were delivered; of a message that never arrived, nothing does."""
    script = _script()
    _put(script, 3, _stub(3))
    _folder(script).nil_bodies = {2}
    written = bytearray()
    async with ImapServer(script) as server:
        await submit(harness, server)
        await harness.archive("all")
    nothing, substitute = sorted(await _quarantine(harness), key=lambda row: row.uid)
    found = await export_quarantined(ADMIN, harness.resources, substitute.id, written.extend)

    assert (bytes(written), found.size) == (_stub(3), len(_stub(3)))
    with pytest.raises(NotFound, match="nothing arrived"):
        await export_quarantined(ADMIN, harness.resources, nothing.id, written.extend)
    with pytest.raises(NotFound, match="has the number 99"):
        await show_quarantined(ADMIN, harness.resources, 99)
    with pytest.raises(NotFound):
        await show_quarantined(ADMIN, harness.resources, 2**63)


async def test_two_reasons_at_once(harness: Harness) -> None:
    """Accepting one message leaves its folder incomplete as long as another one is missing."""
    script = _script()
    _put(script, 3, _stub(3))
    _folder(script).nil_bodies = {2}
    async with ImapServer(script) as server:
        await submit(harness, server)
        await harness.archive("all")
        await accept_quarantined(ADMIN, harness.resources, QuarantineChoice(substitutes=True), "why not")
        report = await harness.archive("all")

    assert report.run.state is RunState.INCOMPLETE
    assert not await proven(harness)


# -- collecting mailboxes ------------------------------------------------------------------------------


async def test_a_substitute_in_a_collecting_mailbox(harness: Harness) -> None:
    """A substitute for a message to many is a missing message as well."""
    script = Script(
        mailboxes={TARGET: {b"INBOX": Folder(_letters(_stub(2)), uidvalidity=7)}},
        capabilities=f"{MODERN_CAPABILITIES} UIDPLUS",
    )
    async with ImapServer(script) as server:
        await harness.submit(
            "drop", server.host, server.port, kind=ProfileKind.MULTIDROP, mailboxes=[TARGET], user=TARGET, login=None,
            password=Secret("secret"), deletion=_ALL, multidrop=Multidrop(),
        )  # fmt: skip
        report = await harness.archive("drop")

    assert report.run.state is RunState.INCOMPLETE
    assert _left(script) == [1, 2, 3]


def _letters(second: bytes) -> Sequence[Mail]:
    return [Mail(1, message("one")), Mail(2, second), Mail(3, message("three"))]
