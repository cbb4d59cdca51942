"""Filters: which messages of a folder a run archives."""

from __future__ import annotations

import hashlib
import imaplib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from muniment.demo.dovecot import Dovecot
from muniment.model.mail_filter import MailFilter, ReadState
from muniment.model.run import RunState
from muniment.secrecy import Secret
from tests.support.cyrus import PROXY, PROXY_PASSWORD, Cyrus
from tests.support.dovecot import MASTER, MASTER_PASSWORD
from tests.support.harness import Harness
from tests.support.imap_script import Mail
from tests.support.imap_server import ImapServer
from tests.support.mailgen import append
from tests.support.scripted import TARGET, archive, mailbox, neighbourhood, proven

_NOW = datetime.now(UTC).replace(microsecond=0)


@dataclass(frozen=True)
class _Letter:
    """A message in the mailbox that all cases use."""

    subject: str
    days: int  # since it was received
    sender: str = "alice@example.com"
    to: str = "bob@example.org"
    size: int = 0
    flags: tuple[str, ...] = ()

    @property
    def raw(self) -> bytes:
        head = f"From: Somebody <{self.sender}>\r\nTo: {self.to}\r\nSubject: {self.subject}\r\n\r\n".encode()
        return head + b"x" * self.size + b"\r\n"

    @property
    def date(self) -> datetime:
        return _NOW - timedelta(days=self.days)


_LETTERS = [
    _Letter("old", 800),
    _Letter("old and read", 700, flags=("\\Seen",)),
    _Letter("a year", 366, sender="news@shop.example"),
    _Letter("spring", 200, to="Sales <sales@example.org>, bob@example.org", flags=("\\Seen",)),
    _Letter("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", 90),
    _Letter("huge", 40, size=200_000),
    _Letter("Weekly NEWSLETTER", 10, sender="news@shop.example", flags=("\\Seen",)),
    _Letter("yesterday", 1),
    _Letter("today", 0, sender="ALICE@EXAMPLE.COM"),
]


def _names(*subjects: str) -> set[str]:
    return set(subjects)


_ALL = {letter.subject for letter in _LETTERS}

_CASES: list[tuple[MailFilter, set[str]]] = [
    (MailFilter(older_than="1 year"), _names("old", "old and read", "a year")),
    (MailFilter(newer_than="2 weeks"), _names("Weekly NEWSLETTER", "yesterday", "today")),
    (
        MailFilter(since=(_NOW - timedelta(days=90)).date(), before=_NOW.date()),
        {letter.subject for letter in _LETTERS if 0 < letter.days <= 90},
    ),
    (MailFilter(read=ReadState.READ), _names("old and read", "spring", "Weekly NEWSLETTER")),
    (MailFilter(read=ReadState.UNREAD, older_than="12 months"), _names("old", "a year")),
    (MailFilter(larger_than=100_000), _names("huge")),
    (MailFilter(smaller_than=1000), _ALL - {"huge"}),
    (MailFilter(sender=("@shop.example",)), _names("a year", "Weekly NEWSLETTER")),
    (MailFilter(sender=("!@shop.example",)), _ALL - {"a year", "Weekly NEWSLETTER"}),
    (MailFilter(sender=("||alice@",)), _ALL - {"a year", "Weekly NEWSLETTER", "today"}),
    (MailFilter(recipient=("sales@", "nobody@")), _names("spring")),
    (MailFilter(subject=("grüße", "|i|^weekly")), _names("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Weekly NEWSLETTER")),
]  # fmt: skip


def _expected(subjects: set[str]) -> set[str]:
    return {hashlib.sha256(letter.raw).hexdigest() for letter in _LETTERS if letter.subject in subjects}


async def _archived(harness: Harness, address: str, name: str) -> set[str]:
    contents = await harness.exported(address, name)
    return set(contents.get(("INBOX",), {}))


def _fill(server: Dovecot | Cyrus, address: str) -> None:
    server.add_user(address, "secret")
    with imaplib.IMAP4(server.host, server.port) as user:
        user.login(address, "secret")
        assert not append(user, {("INBOX",): _LETTERS})


@pytest.mark.parametrize("number", range(len(_CASES)))
async def test_dovecot(harness: Harness, dovecot: Dovecot, new_address: Callable[[], str], number: int) -> None:
    """Each filter archives the matching messages, and a run without it the others."""
    await _one_case(harness, dovecot, new_address(), _CASES[number])


@pytest.mark.parametrize("number", range(len(_CASES)))
async def test_cyrus(harness: Harness, cyrus: Cyrus, new_address: Callable[[], str], number: int) -> None:
    """Cyrus gives the same results."""
    await _one_case(harness, cyrus, new_address(), _CASES[number], user=PROXY, password=Secret(PROXY_PASSWORD))


async def _one_case(
    harness: Harness, server: Dovecot | Cyrus, address: str, case: tuple[MailFilter, set[str]], **login: object
) -> None:
    mail_filter, subjects = case
    _fill(server, address)
    given: dict[str, Any] = {"user": MASTER, "password": Secret(MASTER_PASSWORD), "no_master_mailbox": True} | login
    await harness.submit("some", server.host, server.port, mailboxes=[address], filter=mail_filter, **given)
    await harness.submit("rest", server.host, server.port, mailboxes=[address], **given)

    first = await harness.archive("some")
    some = await _archived(harness, address, "some")
    again = await harness.archive("some")
    rest = await harness.archive("rest")

    assert first.run.state == RunState.SUCCEEDED
    assert some == _expected(subjects)
    counts = first.run.messages
    assert (counts.archived, counts.filtered) == (len(subjects), len(_ALL) - len(subjects))
    assert (again.run.messages.seen, again.run.messages.filtered) == (0, counts.filtered)
    assert await _archived(harness, address, "rest") == _expected(_ALL)
    assert rest.run.messages.filtered == 0


async def test_what_starts_to_match_is_archived(
    harness: Harness, dovecot: Dovecot, new_address: Callable[[], str]
) -> None:
    """A message that starts to match, which no count of its folder shows, is archived by the next run."""
    address = new_address()
    _fill(dovecot, address)
    await harness.submit(
        "read",
        dovecot.host,
        dovecot.port,
        mailboxes=[address],
        filter=MailFilter(read=ReadState.READ),
        user=MASTER,
        password=Secret(MASTER_PASSWORD),
    )
    await harness.archive("read")

    with imaplib.IMAP4(dovecot.host, dovecot.port) as user:
        user.login(address, "secret")
        user.select("INBOX")
        user.store("1", "+FLAGS.SILENT", "(\\Seen)")
    second = await harness.archive("read")

    assert second.run.messages.archived == 1
    assert await _archived(harness, address, "end") == _expected(
        {letter.subject for letter in _LETTERS if letter.flags} | {"old"}
    )
    assert await proven(harness, address)


async def test_a_search_that_finds_too_much_or_is_cut(harness: Harness) -> None:
    """If SEARCH ignores its criteria or returns at most 1,000 UIDs, Muniment decides about each message itself."""
    script = neighbourhood(mailbox("target", messages=0), ())
    folder = script.mailboxes[TARGET][b"INBOX"]
    folder.messages = [
        Mail(uid, b"Subject: %d\r\n\r\n" % uid, date=f"17-Jul-{2014 + uid % 10} 02:44:25 -0700")
        for uid in range(1, 2501)
    ]
    script.search_cap = 1000
    async with ImapServer(script) as server:
        report = await archive(harness, server, filter=MailFilter(since=date(2022, 1, 1)))

    wanted = [mail.content for mail in folder.messages if int(mail.date[7:11]) >= 2022]
    contents = await harness.exported(TARGET)
    assert isinstance(wanted[0], bytes)
    assert set(contents["INBOX",]) == {hashlib.sha256(raw).hexdigest() for raw in wanted if isinstance(raw, bytes)}
    assert report.run.messages.filtered == 2500 - len(wanted)


async def test_a_server_that_tells_no_flags_and_dates(harness: Harness) -> None:
    """If the server sends no flags and dates, all messages are archived: a filter never loses mail."""
    script = neighbourhood(mailbox("target", messages=20), ())
    async with ImapServer(script) as server:
        server.script.refuses_attributes = True
        report = await archive(harness, server, filter=MailFilter(read=ReadState.READ))

    assert (report.run.messages.archived, report.run.messages.filtered) == (60, 0)
