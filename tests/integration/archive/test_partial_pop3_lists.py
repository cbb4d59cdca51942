"""POP3 servers that show a part of the mailbox in each session: all of it is archived, and nobody is deleted."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from muniment.model.deletion_rule import AT_ONCE, DeletionRule
from muniment.model.multidrop import Multidrop, Unknown
from muniment.model.profile import Access, ProfileKind, Server
from muniment.model.run import RunState
from muniment.secrecy import Secret
from muniment.services.doctor.probe_profile import probe_profile
from muniment.services.doctor.what_if import what_if
from muniment.services.profiles.submit_profile import submit_profile
from muniment.services.runs.lifecycle import RunReport
from tests.support.harness import Harness
from tests.support.imap_script import Folder, Mail, Script
from tests.support.imap_server import ImapServer
from tests.support.pop3_server import Pop3Script, Pop3Server
from tests.support.principal import ADMIN
from tests.support.profiles import profile_request
from tests.support.scripted import message, proven

_USER = "user@example.com"
_EXPIRE = "USER\r\nUIDL\r\nRESP-CODES\r\nEXPIRE 0\r\nLOGIN-DELAY 300"
_DELETE = DeletionRule(after=AT_ONCE)


async def _submit(harness: Harness, port: int, name: str = "pop", **changes: Any) -> None:
    request: dict[str, Any] = {
        "name": name,
        "kind": ProfileKind.SINGLE,
        "server": Server("127.0.0.1", port, Access.POP3, timeout_seconds=5.0),
        "user": _USER,
        "password": Secret("secret"),
        **changes,
    }
    await submit_profile(ADMIN, harness.resources, profile_request(**request))


def _mails(count: int, name: str = "m") -> list[bytes]:
    return [message(f"{name}{number}") for number in range(count)]


async def _archived(harness: Harness, name: str) -> Counter[str]:
    return (await harness.exported(_USER, name)).get(("INBOX",), Counter())


def _hashes(raws: list[bytes]) -> Counter[str]:
    return Counter(hashlib.sha256(raw).hexdigest() for raw in raws)


async def _gone(harness: Harness) -> int:
    async with harness.database.session() as session:
        count: int = await session.value("SELECT count(*) FROM entries WHERE gone IS NOT NULL")
        return count


def _warnings(report: RunReport) -> str:
    return "\n".join(warning for notice in report.notices for warning in notice.warnings)


_PARTIAL = {
    "Gmail": Pop3Script(capabilities=_EXPIRE, cap=5, hides=True),
    "Gmail, one by one": Pop3Script(capabilities=_EXPIRE, cap=1, hides=True),
    "Gmail, all at once": Pop3Script(capabilities=_EXPIRE, hides=True),
    "hidden without a word": Pop3Script(cap=5, hides=True),
    "dropped": Pop3Script(capabilities=_EXPIRE, cap=5, drops=True),
    "dropped without a word": Pop3Script(cap=7, drops=True),
    "at random": Pop3Script(subsets=Random(4)),
    "at random, up to a limit": Pop3Script(subsets=Random(5), cap=6),
}


@pytest.mark.parametrize("kind", _PARTIAL)
@pytest.mark.parametrize("rule", [None, _DELETE], ids=["", "deletion"])
async def test_all_parts_are_archived(harness: Harness, kind: str, rule: DeletionRule | None) -> None:
    """One run goes on until nothing new is listed; it proves nothing, deletes nothing, and nobody has left."""
    raws = _mails(23)
    script = replace(_PARTIAL[kind], messages=list(raws), hidden=set(), uidls=[f"id{n}" for n in range(23)])
    async with Pop3Server(script) as server:
        await _submit(harness, server.port, **_rule(rule))
        first = await _archive_all(harness, script)
        assert await _archived(harness, "first") == _hashes(raws)
        assert not await proven(harness, _USER)

        script.messages += _mails(3, "later")
        script.uidls = [*(script.uidls or []), "new1", "new2", "new3"]
        second = await _archive_all(harness, script)
        third = await harness.archive("pop")

    assert await _archived(harness, "third") == _hashes([*raws, *_mails(3, "later")])
    assert not await proven(harness, _USER)
    assert await _gone(harness) == 0
    assert not [line for line in server.lines if line.startswith("DELE")]
    for report in (*first, *second, third):
        assert "only a part" in _warnings(report)
        assert report.run.state == RunState.SUCCEEDED
        assert "mistyped" not in _warnings(report)


def _rule(rule: DeletionRule | None) -> dict[str, Any]:
    return {"deletion": rule} if rule else {}


async def _archive_all(harness: Harness, script: Pop3Script) -> list[RunReport]:
    """Run the profile once, or a few times if chance decides what the server shows."""
    return [await harness.archive("pop") for _ in range(5 if script.subsets else 1)]


@pytest.mark.parametrize("slice_bytes", [1, 600])
async def test_parts_in_slices(harness: Harness, slice_bytes: int) -> None:
    """The same holds if a slice ends after each message, or in the middle of a part."""
    raws = _mails(12)
    script = Pop3Script(list(raws), capabilities=_EXPIRE, cap=5, hides=True, uidls=[f"id{n}" for n in range(12)])
    async with Pop3Server(script) as server:
        await _submit(harness, server.port)
        await harness.with_settings(slice_bytes=slice_bytes, batch_messages=2).archive("pop")

    assert await _archived(harness, "end") == _hashes(raws)
    assert not await proven(harness, _USER)


async def test_an_ordinary_server_is_asked_twice(harness: Harness) -> None:
    """After a fetch, a second session confirms the list, which is proven then; without news, one session is enough."""
    script = Pop3Script(_mails(6), uidls=[f"id{n}" for n in range(6)])
    async with Pop3Server(script) as server:
        await _submit(harness, server.port)
        report = await harness.archive("pop")
        assert (script.sessions, _warnings(report)) == (2, "")
        assert await proven(harness, _USER)
        await harness.archive("pop")
        assert script.sessions == 3

        # Another client deletes messages: the list is whole, but they may as well be hidden.
        script.messages, script.uidls = script.messages[3:], ["id3", "id4", "id5"]
        report = await harness.archive("pop")
        script.messages, script.uidls = [], None
        empty = await harness.archive("pop")

    assert (_warnings(report), _warnings(empty)) == ("", "")
    assert await proven(harness, _USER)
    assert await _gone(harness) == 0
    assert (await _archived(harness, "end")).total() == 6


async def test_an_empty_mailbox_is_doubtful_only_at_first(harness: Harness) -> None:
    """A mailbox that was empty from the start may be a mistyped address; one with archived mail is not."""
    script = Pop3Script()
    async with Pop3Server(script) as server:
        await _submit(harness, server.port)
        before = await harness.archive("pop")
        script.messages = _mails(1)
        await harness.archive("pop")
        script.messages = []
        after = await harness.archive("pop")

    assert "mistyped" in _warnings(before)
    assert _warnings(after) == ""


async def test_a_limit_that_stat_betrays(harness: Harness) -> None:
    """If STAT counts more messages than LIST lists, the mailbox lacks messages."""
    script = Pop3Script(_mails(9), cap=5, counts_all=True, uidls=[f"id{n}" for n in range(9)])
    async with Pop3Server(script) as server:
        await _submit(harness, server.port, deletion=_DELETE)
        report = await harness.archive("pop")

    assert "does not list them" in _warnings(report)
    assert not await proven(harness, _USER)
    assert (await _archived(harness, "end")).total() == 5
    assert len(script.messages) == 9


async def test_a_limit_with_a_deletion_rule(harness: Harness) -> None:
    """Where deleted messages make room for others, the run goes on until all are archived and deleted."""
    raws = _mails(12)
    script = Pop3Script(list(raws), cap=5, uidls=[f"id{n}" for n in range(12)])
    async with Pop3Server(script) as server:
        await _submit(harness, server.port, deletion=_DELETE)
        report = await harness.archive("pop")

    assert report.run.messages.deleted == 12
    assert not script.messages
    assert await _archived(harness, "end") == _hashes(raws)


async def test_what_is_not_archived_is_not_lost(harness: Harness) -> None:
    """QUIT, with which a server may delete what was read, is not sent if a message went to quarantine."""
    raws = [*_mails(2), message("large", b"x" * 5000)]
    script = Pop3Script(
        list(raws), capabilities=_EXPIRE, drops=True, claimed_size=10, uidls=[f"id{n}" for n in range(3)]
    )
    async with Pop3Server(script) as server:
        await _submit(harness, server.port)
        report = await harness.with_settings(max_message_bytes=2000, spool_bytes=1000).archive("pop")

    assert report.run.messages.quarantined == 1
    assert raws[2] in script.messages
    assert await _archived(harness, "end") == _hashes(raws[:2])


async def test_a_collected_message_without_an_owner_stays(harness: Harness) -> None:
    """Nor if a message of a collecting mailbox has no owner and is to stay on the server."""
    raw = b"From: x@other.org\r\nTo: nobody@example.com\r\nSubject: hello\r\n\r\nbody\r\n"
    script = Pop3Script([raw], capabilities=_EXPIRE, drops=True, uidls=["id"])
    async with Pop3Server(script) as server:
        rule = Multidrop(unknown=Unknown.LEAVE)
        await _submit(harness, server.port, kind=ProfileKind.MULTIDROP, multidrop=rule)
        await harness.archive("pop")

    assert script.messages == [raw]


async def test_looking_loses_nothing(harness: Harness) -> None:
    """The doctor and a forecast leave a server that deletes what was read as it is; the doctor says what it does."""
    script = Pop3Script(_mails(4), capabilities=_EXPIRE, drops=True, uidls=[f"id{n}" for n in range(4)])
    async with Pop3Server(script) as server:
        await _submit(harness, server.port)
        probe = await probe_profile(ADMIN, harness.resources, "pop")
        [forecast] = [one async for one in what_if(ADMIN, harness.resources, "pop")]

    assert (len(script.messages), forecast.messages) == (4, 4)
    assert "EXPIRE 0" in "\n".join(probe.warnings)


async def test_ids_that_change(harness: Harness) -> None:
    """A server that gives its messages new ids in each session is not read for ever."""
    raws = _mails(5)
    script = Pop3Script(list(raws), changing_ids=True)
    async with Pop3Server(script) as server:
        await _submit(harness, server.port)
        report = await harness.archive("pop")

    assert await _archived(harness, "end") == _hashes(raws)
    assert "ids for the messages change" in _warnings(report)
    assert not await proven(harness, _USER)


async def test_a_message_in_quarantine_that_is_hidden(harness: Harness) -> None:
    """A message that was never archived stays in quarantine, although the server no longer lists it."""
    script = Pop3Script(_mails(3), hides=True, uidls=["a", "b", "c"], refused={2: "-ERR cannot read it"})
    async with Pop3Server(script) as server:
        await _submit(harness, server.port)
        await harness.archive("pop")
        script.hidden.add("b")
        await harness.archive("pop")

    async with harness.database.session() as session:
        assert await session.value("SELECT count(*) FROM quarantine") == 1
    assert not await proven(harness, _USER)


async def test_a_part_that_was_read_and_broke_off(harness: Harness) -> None:
    """Messages that were read without QUIT stay in the list; they are read again, or the server would never go on."""
    raws = _mails(12)
    script = replace(_PARTIAL["Gmail"], messages=list(raws), hidden=set(), uidls=[f"id{n}" for n in range(12)])
    async with Pop3Server(script) as server:
        await _submit(harness, server.port)
        script.quits = False
        await harness.archive("pop")
        script.quits = True
        await harness.archive("pop")

    assert await _archived(harness, "end") == _hashes(raws)
    assert not await proven(harness, _USER)


async def test_recent_mode(harness: Harness) -> None:
    """Where EXPIRE 0 is announced and everything stays listed, a run reads one message again, and not all."""
    script = Pop3Script(_mails(9), capabilities=_EXPIRE, uidls=[f"id{n}" for n in range(9)])
    async with Pop3Server(script) as server:
        await _submit(harness, server.port)
        await harness.archive("pop")
        server.lines.clear()
        report = await harness.archive("pop")

    assert [line for line in server.lines if line.startswith("RETR")] == ["RETR 1"]
    assert "EXPIRE 0" in _warnings(report)


async def test_a_server_that_wants_a_pause_between_logins(harness: Harness) -> None:
    """If the second session is refused for a while, a later try confirms the list with its first one."""
    script = Pop3Script(_mails(4), uidls=[f"id{n}" for n in range(4)])
    async with Pop3Server(script) as server:
        await _submit(harness, server.port)
        script.pass_answers = ["+OK", "-ERR [LOGIN-DELAY] wait", "-ERR [LOGIN-DELAY] wait"]
        report = await harness.archive("pop")

    assert report.run.state == RunState.SUCCEEDED
    assert await proven(harness, _USER)


@pytest.mark.parametrize("answer", ["-ERR try again", "-ERR [SYS/TEMP] later", "-ERR what?"])
async def test_a_server_that_refuses_uidl_for_a_moment(harness: Harness, answer: str) -> None:
    """It is asked again, and nothing is fetched anew or counted as gone."""
    script = Pop3Script(_mails(4), uidls=[f"id{n}" for n in range(4)])
    async with Pop3Server(script) as server:
        await _submit(harness, server.port)
        await harness.archive("pop")
        script.uidl_answers = [answer]
        report = await harness.archive("pop")

    assert (report.run.state, report.run.messages.seen) == (RunState.SUCCEEDED, 0)
    assert await _gone(harness) == 0
    assert await proven(harness, _USER)


async def test_from_imap_to_pop3(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a change of protocol, equal UIDVALIDITYs and UIDs do not pass off new mail as archived; nobody has left."""
    old, new = _mails(3, "old"), _mails(3, "new")
    folders = {
        b"INBOX": Folder([Mail(uid, raw) for uid, raw in enumerate(old, 1)], uidvalidity=1),
        b"Sent": Folder([Mail(1, message("sent"))], uidvalidity=1),
    }
    async with ImapServer(Script({_USER: folders})) as imap, Pop3Server(Pop3Script(list(new))) as pop3:
        monkeypatch.setattr("muniment.model.profile._USUAL_PORTS", (imap.port, pop3.port))
        await _submit(harness, imap.port, "imap", server=Server("127.0.0.1", imap.port, Access.IMAP))
        await harness.archive("imap")
        await _submit(harness, pop3.port)
        await harness.archive("pop")

    assert await _archived(harness, "end") == _hashes([*old, *new])
    async with harness.database.session() as session:
        sent = (
            "SELECT count(*) FROM entries JOIN folders ON folders.id = folder_id WHERE wire_name = $1 AND gone IS NULL"
        )
        assert await session.value(sent, b"Sent") == 1
