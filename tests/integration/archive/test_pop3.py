"""POP3: the same guarantees as with IMAP, for a mailbox without folders, flags and dates."""

from __future__ import annotations

import hashlib
import imaplib
import poplib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from muniment.demo.dovecot import Dovecot
from muniment.demo.mail import generate_mailbox
from muniment.demo.maildir import served_bytes
from muniment.errors import Misconfigured
from muniment.model.deletion_rule import AT_ONCE, DeletionRule
from muniment.model.mail_filter import MailFilter
from muniment.model.profile import Access, ProfileKind, Server
from muniment.model.run import RunState
from muniment.secrecy import Secret
from muniment.services.deleting.show_deletions import show_deletions
from muniment.services.directories.users import add_user
from muniment.services.doctor.what_if import what_if
from muniment.services.profiles.submit_profile import submit_profile
from muniment.services.runs.lifecycle import RunReport
from tests.support.dovecot import running_dovecot
from tests.support.harness import Harness
from tests.support.pop3_server import Pop3Script, Pop3Server
from tests.support.ports import free_port
from tests.support.principal import ADMIN
from tests.support.profiles import profile_request
from tests.support.scripted import message, proven

_USER = "user@example.com"
_ACCESSES = [Access.POP3, Access.POP3_TLS, Access.POP3_SSL]


class _Pop3(Dovecot):
    """A Dovecot that also offers POP3."""

    ports: dict[Access, int]


@pytest.fixture(scope="module")
def pop3() -> Iterator[_Pop3]:
    """Run a Dovecot with POP3."""
    plain, implicit = free_port(), free_port()
    settings = f"""
protocols = imap pop3
pop3_uidl_format = %08Xu%08Xv
service pop3-login {{
  inet_listener pop3 {{
    port = {plain}
  }}
  inet_listener pop3s {{
    port = {implicit}
    ssl = yes
  }}
}}
"""
    with running_dovecot(settings=settings) as server:
        server.__class__ = _Pop3
        assert isinstance(server, _Pop3)
        server.ports = {Access.POP3: plain, Access.POP3_TLS: plain, Access.POP3_SSL: implicit}
        yield server


async def _submit(harness: Harness, host: str, port: int, access: Access = Access.POP3, **changes: Any) -> None:
    request: dict[str, Any] = {
        "name": "pop",
        "kind": ProfileKind.SINGLE,
        "server": Server(host, port, access, accept_all_certificates=access.is_protected, timeout_seconds=5.0),
        "user": _USER,
        "password": Secret("secret"),
        **changes,
    }
    await submit_profile(ADMIN, harness.resources, profile_request(**request))


async def _scripted(harness: Harness, script: Pop3Script, **changes: Any) -> RunReport:
    async with Pop3Server(script) as server:
        await _submit(harness, server.host, server.port, **changes)
        return await harness.archive("pop")


async def _archived(harness: Harness, user: str = _USER, name: str = "end") -> Counter[str]:
    return (await harness.exported(user, name)).get(("INBOX",), Counter())


def _hashes(*raws: bytes) -> Counter[str]:
    return Counter(hashlib.sha256(raw).hexdigest() for raw in raws)


def _served(raw: bytes) -> bytes:
    """Return a message as POP3 serves it: its last line is terminated (RFC 1939 §3)."""
    served = served_bytes(raw)
    return served if served.endswith(b"\r\n") else served + b"\r\n"


@pytest.mark.parametrize("access", _ACCESSES)
async def test_dovecot(harness: Harness, pop3: _Pop3, new_address: Callable[[], str], access: Access) -> None:
    """With each kind of encryption, every message is archived exactly; later runs fetch only new mail."""
    address = new_address()
    pop3.add_user(address, "secret")
    mails = [mail for folder in generate_mailbox(3, 60).values() for mail in folder]
    pop3.load(address, {("INBOX",): mails[:40]})
    await _submit(harness, pop3.host, pop3.ports[access], access, user=address)
    first = await harness.archive("pop")
    again = await harness.archive("pop")
    pop3.load(address, {("INBOX",): mails[40:]})
    third = await harness.archive("pop")

    assert first.run.state == RunState.SUCCEEDED
    counts = [report.run.messages.archived for report in (first, again, third)]
    assert counts == [40, 0, len(mails) - 40]
    assert again.run.messages.seen == 0
    assert await _archived(harness, address) == _hashes(*(_served(mail.raw) for mail in mails))
    assert await proven(harness, address)


async def test_deletion_on_dovecot(harness: Harness, pop3: _Pop3, new_address: Callable[[], str]) -> None:
    """Deletion at once is forecast, done after QUIT and recorded; deletion by age spares messages archived just now."""
    address = new_address()
    pop3.add_user(address, "secret")
    mails = [mail for folder in generate_mailbox(4, 10).values() for mail in folder]
    pop3.load(address, {("INBOX",): mails})
    old, at_once = DeletionRule(after="1 day"), DeletionRule(after=AT_ONCE)
    await _submit(harness, pop3.host, pop3.ports[Access.POP3], user=address, deletion=old)
    by_age = await harness.archive("pop")
    await _submit(harness, pop3.host, pop3.ports[Access.POP3], user=address, deletion=at_once, name="now")
    [forecast] = [one async for one in what_if(ADMIN, harness.resources, "now")]
    now = await harness.archive("now")

    assert (by_age.run.messages.deleted, now.run.messages.deleted) == (0, len(mails))
    assert len(forecast.deletions) == len(mails)
    client = poplib.POP3(pop3.host, pop3.ports[Access.POP3])
    client.user(address)
    client.pass_("secret")
    assert client.stat() == (0, 0)
    client.quit()
    ledger = await show_deletions(ADMIN, harness.resources, run_id=now.run.id, address=None, limit=None)
    assert len(ledger) == len(mails)
    assert all(row.deleted for row in ledger)
    assert (await _archived(harness, address)).total() == len(mails)


async def test_a_collecting_mailbox(harness: Harness, pop3: _Pop3, new_address: Callable[[], str]) -> None:
    """Multidrop works with POP3."""
    address = new_address()
    pop3.add_user(address, "secret")
    raw = b"From: x@other.org\r\nTo: ann@example.com\r\nSubject: hello\r\n\r\nbody\r\n"
    with imaplib.IMAP4(pop3.host, pop3.port) as user:
        user.login(address, "secret")
        user.append("INBOX", "", "", raw)
    await add_user(ADMIN, harness.resources, "ann", ["ann@example.com"])
    await _submit(harness, pop3.host, pop3.ports[Access.POP3], kind=ProfileKind.MULTIDROP, user=address)
    await harness.archive("pop")
    assert await _archived(harness, "ann") == _hashes(raw)


_ODD = [
    b"Subject: dots\r\n\r\n.\r\n..\r\n...\r\n.x\r\n\r\n.\r\n",
    b".\r\n",
    b"..\r\n.\r\n",
    b"Subject: no end of a line at all\r\n\r\n" + b"x" * 300_000 + b"\r\n",
    b"Subject: bare line feeds\r\n\r\na\nb\n.c\r\n",
    b"\r\n",
    b"Subject: eight bits\r\n\r\n\xff\x00\xfe\r\n",
    b"Subject: many dots\r\n\r\n" + b".\r\n" * 100_000,
]


async def test_odd_bytes(harness: Harness) -> None:
    """Dots, endless lines, bare line feeds and NULs are archived as sent."""
    report = await _scripted(harness, Pop3Script(list(_ODD)))
    assert report.run.state == RunState.SUCCEEDED
    assert await _archived(harness) == _hashes(*_ODD)


async def test_messages_in_spool_files(harness: Harness) -> None:
    """A message larger than its claimed size goes to a spool file, and one above the limit to quarantine."""
    small = harness.with_settings(spool_bytes=1000, max_message_bytes=200_000)
    raws = [message("small"), message("middle", b"x" * 100_000), message("large", b"y" * 300_000)]
    report = await _scripted(small, Pop3Script(list(raws), claimed_size=10))

    assert await _archived(harness) == _hashes(*raws[:2])
    assert report.run.messages.quarantined == 1
    assert harness.resources.budget.used == 0


async def test_without_uidl(harness: Harness) -> None:
    """Without UIDL, every run fetches all messages, recognises known ones by content, and deletes none."""
    raws = [message(f"m{n}") for n in range(5)]
    script = Pop3Script(list(raws), uidls=[])
    async with Pop3Server(script) as server:
        await _submit(harness, server.host, server.port, deletion=DeletionRule(after=AT_ONCE))
        first = await harness.archive("pop")
        script.messages = [*raws[2:], message("new")]
        second = await harness.archive("pop")

    assert (first.run.messages.archived, second.run.messages.archived) == (5, 1)
    assert second.run.messages.known == 3
    assert await _archived(harness) == _hashes(*raws, message("new"))
    assert len(script.messages) == 4
    assert "without UIDVALIDITY" in second.notices[0].warnings[0]


async def test_one_id_for_several_messages(harness: Harness) -> None:
    """If messages share an id, as on servers that derive ids from contents, each is archived and stays known."""
    raws = [message("same"), message("same"), message("other")]
    script = Pop3Script(list(raws), uidls=["a", "a", "b"])
    async with Pop3Server(script) as server:
        await _submit(harness, server.host, server.port)
        first = await harness.archive("pop")
        second = await harness.archive("pop")

    assert (first.run.messages.archived, second.run.messages.seen) == (3, 0)
    assert await _archived(harness) == _hashes(*raws)


@pytest.mark.parametrize("command", ["RETR", "UIDL", "LIST", "PASS", "CAPA"])
async def test_answers_that_are_cut_off(harness: Harness, command: str) -> None:
    """After a truncated answer, the next attempt continues, and no message is incomplete."""
    raws = [message(f"m{n}", b"z" * 3000) for n in range(10)]
    script = Pop3Script(list(raws), cut_after={command: 700 if command == "RETR" else 2})
    report = await _scripted(harness, script)

    assert report.run.state == RunState.SUCCEEDED
    assert await _archived(harness) == _hashes(*raws)


async def test_one_bad_message_stops_nobody(harness: Harness) -> None:
    """A message that cannot be read is quarantined, and the rest is archived."""
    raws = [message(f"m{n}") for n in range(6)]
    report = await _scripted(harness, Pop3Script(list(raws), refused={3: "-ERR cannot read it"}))

    assert report.run.messages.quarantined == 1
    assert await _archived(harness) == _hashes(*(raw for n, raw in enumerate(raws) if n != 2))
    assert not await proven(harness, _USER)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("-ERR [AUTH] no secret for you", "refused the login"),
        ("-ERR [SYS/PERM] mailbox is broken", "mailbox is broken"),
        ("-ERR the password secret is wrong", "**********"),
    ],
)
async def test_logins_that_fail(harness: Harness, answer: str, error: str) -> None:
    """A failed login is reported with its reason, but without the password."""
    report = await _scripted(harness, Pop3Script([message("m")], pass_answer=answer))
    [failure] = report.failures
    assert error in failure.error
    assert "secret" not in failure.error


async def test_a_locked_mailbox_is_tried_again(harness: Harness) -> None:
    """A mailbox that another client has locked is retried like a throttled one."""
    quick = harness.with_settings(job_attempts=3)
    report = await _scripted(quick, Pop3Script([message("m")], pass_answer="-ERR [IN-USE] locked"))
    assert report.run.state == RunState.FAILED
    assert "throttles" in report.failures[0].error


async def test_deletions_that_fail(harness: Harness) -> None:
    """The ledger records deleted messages as deleted, and refused deletions as not."""
    raws = [message(f"m{n}") for n in range(4)]
    script = Pop3Script(list(raws), refused_dele={2})
    report = await _scripted(harness, script, deletion=DeletionRule(after=AT_ONCE))

    assert script.messages == [raws[1]]
    assert report.run.messages.deleted == 3
    ledger = await show_deletions(ADMIN, harness.resources, run_id=None, address=None, limit=None)
    assert sorted(bool(row.deleted) for row in ledger) == [False, True, True, True]
    assert "you may not" in report.notices[0].warnings[0]


async def test_a_quit_that_is_cut_off(harness: Harness) -> None:
    """If QUIT gets no answer, the next attempt finds out which messages were deleted and records it."""
    raws = [message(f"m{n}") for n in range(4)]
    script = Pop3Script(list(raws), cut_after={"QUIT": 0})
    report = await _scripted(harness, script, deletion=DeletionRule(after=AT_ONCE))

    assert report.run.state == RunState.SUCCEEDED
    assert not script.messages
    ledger = await show_deletions(ADMIN, harness.resources, run_id=None, address=None, limit=None)
    assert all(row.deleted for row in ledger)
    assert await _archived(harness) == _hashes(*raws)


@pytest.mark.parametrize(
    "changes",
    [{"filter": MailFilter(larger_than=5)}, {"kind": ProfileKind.MASTER, "mailboxes": [_USER]}],
)
async def test_what_pop3_cannot_do(harness: Harness, changes: dict[str, Any]) -> None:
    """A profile that uses features POP3 lacks is refused with the reason."""
    with pytest.raises(Misconfigured, match="IMAP"):
        await _submit(harness, "127.0.0.1", 1, **changes)


async def test_a_password_with_a_line_break(harness: Harness) -> None:
    """A password with a line break, which could inject a command, is refused before anything is sent."""
    script = Pop3Script([message("m")])
    async with Pop3Server(script) as server:
        await _submit(harness, server.host, server.port, password=Secret("secret\r\nDELE 1"))
        report = await harness.archive("pop")
    assert "line break" in report.failures[0].error
    assert not server.lines
    assert script.messages
