"""Deletion on the mail server: exactly what the rule says, only what is verifiably archived, all in the ledger."""

from __future__ import annotations

import asyncio
import hashlib
import imaplib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from muniment.db import deletions
from muniment.demo.dovecot import Dovecot
from muniment.errors import DatabaseUnavailable
from muniment.model.deletion import Deletion
from muniment.model.deletion_rule import ACCEPTED, AT_ONCE, DeletionRule
from muniment.model.folder_scope import FolderScope
from muniment.model.mail_filter import MailFilter
from muniment.model.run import RunState
from muniment.secrecy import Secret
from muniment.services.deleting import delete_archived
from muniment.services.deleting.show_deletions import show_deletions
from muniment.services.runs.lifecycle import RunReport, start_run
from tests.support.cyrus import PROXY, PROXY_PASSWORD, Cyrus
from tests.support.dovecot import MASTER, MASTER_PASSWORD
from tests.support.harness import Harness
from tests.support.imap_script import MODERN_CAPABILITIES, Fault, Folder, Mail, Script
from tests.support.imap_server import ImapServer
from tests.support.mailgen import append
from tests.support.principal import ADMIN
from tests.support.scripted import TARGET, mails, message, submit

_NOW = datetime.now(UTC).replace(microsecond=0)
_ALL = DeletionRule(after=AT_ONCE)


@dataclass(frozen=True)
class _Letter:
    """A message of a certain age in days."""

    number: int
    days: int
    flags: tuple[str, ...] = ()

    @property
    def raw(self) -> bytes:
        return message(f"letter-{self.number}")

    @property
    def date(self) -> datetime:
        return _NOW - timedelta(days=self.days)


_LETTERS = [_Letter(n, n * 20, ("\\Flagged",) if n in {3, 9} else ()) for n in range(12)]


@pytest.fixture(params=["dovecot", "cyrus"])
def server(request: pytest.FixtureRequest) -> Dovecot | Cyrus:
    """Each of the real servers."""
    found: Dovecot | Cyrus = request.getfixturevalue(request.param)
    return found


def _left(server: Dovecot | Cyrus, address: str, folder: str = "INBOX") -> set[int]:
    """Return the numbers of the messages that are still on the server."""
    with imaplib.IMAP4(server.host, server.port) as user:
        user.login(address, "secret")
        user.select(folder, readonly=True)
        _, found = user.search(None, "ALL")
        numbers = ",".join(found[0].decode().split())
        if not numbers:
            return set()
        _, data = user.fetch(numbers, "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    lines = [part[1].decode() for part in data if isinstance(part, tuple)]
    return {int(line.rpartition("-")[2]) for line in lines}


async def _ledger(harness: Harness) -> list[Deletion]:
    return await show_deletions(ADMIN, harness.resources, run_id=None, address=None, limit=None)


async def _archived(harness: Harness, address: str, name: str = "end") -> Counter[str]:
    total: Counter[str] = Counter()
    for folder in (await harness.exported(address, name)).values():
        total.update(folder)
    return total


async def _run(harness: Harness, server: Dovecot | Cyrus, address: str, **rules: Any) -> RunReport:
    server.add_user(address, "secret")
    with imaplib.IMAP4(server.host, server.port) as user:
        user.login(address, "secret")
        assert not append(user, {("INBOX",): _LETTERS, ("Keep",): _LETTERS})
    user_name, password = (PROXY, PROXY_PASSWORD) if isinstance(server, Cyrus) else (MASTER, MASTER_PASSWORD)
    scope = FolderScope(exclude=("Keep",))
    await harness.submit(
        "all", server.host, server.port, mailboxes=[address], user=user_name, password=Secret(password),
        folders=scope, no_master_mailbox=True, **rules,
    )  # fmt: skip
    return await harness.archive("all")


_CASES: list[tuple[dict[str, Any], set[int]]] = [
    ({"deletion": _ALL}, {3, 9}),
    ({"deletion": DeletionRule(after=AT_ONCE, flagged=True)}, set()),
    ({"deletion": DeletionRule(after="90 days")}, {0, 1, 2, 3, 4, 9}),
    ({"deletion": DeletionRule(after="2 weeks"), "filter": MailFilter(subject=("letter-1",))},
     {0, 2, 3, 4, 5, 6, 7, 8, 9}),
    ({"deletion": DeletionRule()}, set(range(12))),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(_CASES)))
async def test_the_rule(harness: Harness, server: Dovecot | Cyrus, new_address: Callable[[], str], number: int) -> None:
    """Messages that are old enough, not flagged and match the filter are deleted; excluded folders are left alone."""
    rules, stays = _CASES[number]
    address = new_address()
    report = await _run(harness, server, address, **rules)
    again = await harness.archive("all")

    assert report.run.state == again.run.state == RunState.SUCCEEDED
    assert _left(server, address) == stays
    assert _left(server, address, "Keep") == set(range(12))
    ledger = await _ledger(harness)
    gone = [letter for letter in _LETTERS if letter.number not in stays]
    assert {row.sha256 for row in ledger} == {hashlib.sha256(letter.raw).digest() for letter in gone}
    assert all(row.deleted and row.run_id == report.run.id and row.path == ["INBOX"] for row in ledger)
    assert (report.run.messages.deleted, again.run.messages.deleted) == (len(gone), 0)
    wanted = [letter for letter in _LETTERS if "filter" not in rules or "1" in str(letter.number)[:1]]
    archived = await _archived(harness, address)
    assert archived == Counter(hashlib.sha256(letter.raw).hexdigest() for letter in wanted)
    assert not report.notices


async def test_a_flag_that_goes_away(harness: Harness, dovecot: Dovecot, new_address: Callable[[], str]) -> None:
    """A message that is no longer flagged is deleted by the next run."""
    address = new_address()
    await _run(harness, dovecot, address, deletion=_ALL)
    with imaplib.IMAP4(dovecot.host, dovecot.port) as user:
        user.login(address, "secret")
        user.select("INBOX")
        user.store("1", "-FLAGS.SILENT", "(\\Flagged)")
    report = await harness.archive("all")

    assert _left(dovecot, address) == {9}
    assert report.run.messages.deleted == 1


def _script(count: int = 30, capabilities: str = f"{MODERN_CAPABILITIES} UIDPLUS") -> Script:
    folders = {
        b"INBOX": Folder(mails("inbox", count), uidvalidity=7),
        b"Work": Folder(mails("work", count), uidvalidity=8),
    }
    return Script(mailboxes={TARGET: folders}, capabilities=capabilities)


async def _scripted(harness: Harness, script: Script, **rules: Any) -> RunReport:
    async with ImapServer(script) as server:
        await submit(harness, server, **{"deletion": _ALL, **rules})
        return await harness.archive("all")


def _inbox(script: Script) -> Folder:
    return script.mailboxes[TARGET][b"INBOX"]


def _warnings(report: RunReport) -> str:
    return "\n".join(text for notice in report.notices for text in notice.warnings)


async def test_without_uidplus_nothing_goes(harness: Harness) -> None:
    """Without UIDPLUS, a server cannot delete specific messages, so nothing is deleted unless this is accepted."""
    script = _script(capabilities=MODERN_CAPABILITIES)
    report = await _scripted(harness, script)

    assert "without UIDPLUS" in _warnings(report)
    assert len(_inbox(script).messages) == 30
    assert not await _ledger(harness)


async def test_without_uidplus_in_words(harness: Harness) -> None:
    """If accepted, messages are deleted without UIDPLUS, except in folders with other messages marked as deleted."""
    script = _script(capabilities=MODERN_CAPABILITIES)
    work = script.mailboxes[TARGET][b"Work"]
    work.messages = [mail._replace(flags=("\\Deleted",)) if mail.uid == 5 else mail for mail in work.messages]
    report = await _scripted(
        harness,
        script,
        deletion=DeletionRule(after=AT_ONCE, without_uidplus=ACCEPTED),
        filter=MailFilter(subject=("!work-5",)),
    )

    assert not _inbox(script).messages
    assert len(work.messages) == 30
    assert "1 messages that somebody marked" in _warnings(report)
    assert len(await _ledger(harness)) == 30


async def test_what_is_not_proven_stays(harness: Harness) -> None:
    """Nothing is deleted in a folder that is not proven complete."""
    script = _script()
    _inbox(script).refused = {4}
    report = await _scripted(harness, script)

    assert len(_inbox(script).messages) == 30
    assert not script.mailboxes[TARGET][b"Work"].messages
    assert report.run.messages.deleted == 30


async def test_what_is_damaged_stays(harness: Harness) -> None:
    """A message whose archived bytes do not match their hash is not deleted: the server has the only good copy."""
    script = _script()
    async with ImapServer(script) as server:
        await submit(harness, server, name="before")
        await harness.archive("before")
        async with harness.administrator() as session:
            await session.execute(
                "UPDATE contents SET data = overlay(data placing '\\x00' from 12) WHERE message_id IN "
                "(SELECT id FROM messages WHERE subject IN ('about inbox-3', 'about work-7'))"
            )
            await session.execute(
                "DELETE FROM contents WHERE message_id = (SELECT id FROM messages WHERE subject = 'about inbox-9')"
            )
        await submit(harness, server, deletion=_ALL)
        report = await harness.archive("all")

    assert [mail.uid for mail in _inbox(script).messages] == [3, 9]
    assert [mail.uid for mail in script.mailboxes[TARGET][b"Work"].messages] == [7]
    assert _warnings(report).count("damaged in the archive") == 3
    assert len(await _ledger(harness)) == 57


async def test_another_message_under_the_same_uid(harness: Harness) -> None:
    """If a UID no longer has the archived message, for example in another mailbox, the message is not deleted."""
    script = _script()
    async with ImapServer(script) as server:
        await submit(harness, server, name="before")
        await harness.archive("before")
        folder = _inbox(script)
        folder.messages = [m._replace(content=message("other-" + str(m.uid))) for m in folder.messages]
        await submit(harness, server, deletion=_ALL)
        report = await harness.archive("all")

    assert len(_inbox(script).messages) == 30
    assert _warnings(report).count("another message there") == 30


@pytest.mark.parametrize("how", ["read-only", "UIDVALIDITY", "none", "STORE", "EXPUNGE"])
async def test_servers_that_do_not_go_along(harness: Harness, how: str) -> None:
    """If the server refuses to cooperate in one folder, nothing is deleted there; all else is done."""
    script = _script()
    folder = _inbox(script)
    if how == "read-only":
        folder.read_only = True
    elif how == "UIDVALIDITY":
        folder.uidvalidity_to_delete = 99
    elif how == "none":
        folder.uidvalidity = None
    else:
        folder.uidvalidity = 7
        script.faults = [Fault(f"UID {how}", reply="NO [NOPERM] you may not", times=1)]
    report = await _scripted(harness, script)

    assert report.run.state == RunState.SUCCEEDED
    assert len(folder.messages) == 30
    assert not script.mailboxes[TARGET][b"Work"].messages
    expected = {"read-only": "allows this login only to read", "none": "folders without UIDVALIDITY", "UIDVALIDITY": ""}
    assert expected.get(how, "you may not") in _warnings(report)
    assert (await _archived(harness, TARGET)).total() == 60


def _held(script: Script) -> Counter[str]:
    """Return the hashes of all messages on the server."""
    found: Counter[str] = Counter()
    for folder in script.mailboxes[TARGET].values():
        for mail in folder.messages:
            assert isinstance(mail.content, bytes)
            found[hashlib.sha256(mail.content).hexdigest()] += 1
    return found


class _Blows:
    """Random faults: in connections, commands, the database at each step of a deletion, and workers."""

    def __init__(self, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rng = Random(f"deletion {seed}")
        self.struck = 0
        for name in ("plan", "confirm"):
            monkeypatch.setattr(deletions, name, self._weak(getattr(deletions, name)))

    def _weak(self, step: Callable[..., Any]) -> Callable[..., Any]:
        async def tried(*words: Any) -> Any:
            when = self.rng.random()
            if when < 0.15:
                self.struck += 1
                raise DatabaseUnavailable
            result = await step(*words)
            if when > 0.85:  # the commit may succeed without an answer
                self.struck += 1
                raise DatabaseUnavailable
            return result

        return tried

    def faults(self) -> list[Fault]:
        """Return the faults of the server in this round."""
        rng = self.rng
        found = []
        for _ in range(4):
            command = rng.choice(["SELECT", "UID STORE", "UID EXPUNGE", "UID FETCH", "UID SEARCH", "EXAMINE", "LIST"])
            kinds: list[dict[str, Any]] = [
                {"close": True},
                {"cut_after": rng.randrange(1, 400)},
                {"reply": "NO [SERVERBUG] not now"},
                {"reply": "BAD what"},
            ]
            found.append(Fault(command, times=1, **rng.choice(kinds)))
        return found

    async def run(self, harness: Harness) -> None:
        """Run the profile until it ends; in half of the rounds, stop a worker in the middle."""
        run_id = await start_run(ADMIN, harness.resources, "all")
        if self.rng.random() < 0.5:
            working = asyncio.ensure_future(harness.work())
            await asyncio.wait({working}, timeout=self.rng.uniform(0, 0.15))
            working.cancel()
            await asyncio.wait({working})
        await harness.finish(run_id)

    def deliver(self, script: Script, number: int) -> bytes:
        """Put a new message into a folder and return it."""
        folder = self.rng.choice(list(script.mailboxes[TARGET].values()))
        content = message(f"new-{number}")
        last = max([mail.uid for mail in folder.messages], default=0)
        folder.messages = [*folder.messages, Mail(max(last + 1, number), content)]
        return content


@pytest.mark.parametrize("seed", range(12))
async def test_no_message_is_ever_nowhere(harness: Harness, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """After each fault, every message is intact on the server or in the archive, and each deletion is in the ledger.

    Once the faults stop, the rule is carried out completely.
    """
    blows = _Blows(seed, monkeypatch)
    script = _script(count=40)
    everything = _held(script)
    monkeypatch.setattr(delete_archived, "_AT_ONCE", 7)
    harness = harness.with_settings(job_attempts=50, lease_seconds=0.3)
    async with ImapServer(script) as server:
        await submit(harness, server, deletion=_ALL, timeout_seconds=1.0)
        for number in range(1000, 1003):
            script.faults = blows.faults()
            await blows.run(harness)
            archived, held = await _archived(harness, TARGET, f"round-{number}"), _held(script)
            gone = everything - held
            assert archived | held == everything, "a message is nowhere"
            assert gone <= archived
            assert set(gone) <= {row.sha256.hex() for row in await _ledger(harness)}
            everything += Counter([hashlib.sha256(blows.deliver(script, number)).hexdigest()])
        script.faults = []
        monkeypatch.undo()
        last = await harness.archive("all")
        await harness.archive("all")

    assert last.run.state == RunState.SUCCEEDED
    assert not _held(script)
    assert await _archived(harness, TARGET) == everything
    ledger = await _ledger(harness)
    assert {row.sha256.hex() for row in ledger} == set(everything)
    assert all(row.deleted for row in ledger)
    assert blows.struck
