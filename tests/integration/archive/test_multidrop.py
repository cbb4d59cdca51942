"""Multidrop: one mailbox that collects the mail of all users, filed for its owners."""

from __future__ import annotations

import hashlib
import imaplib
from collections.abc import Callable
from typing import Any

import pytest

from muniment.db import messages
from muniment.demo.dovecot import Dovecot
from muniment.errors import Misconfigured
from muniment.model.deletion_rule import AT_ONCE, DeletionRule
from muniment.model.folder_scope import EVERYTHING
from muniment.model.login import LoginMethod
from muniment.model.multidrop import Multidrop, Unknown
from muniment.model.profile import Access, ProfileKind, Server
from muniment.model.run import RunState
from muniment.model.server_kind import ServerKind
from muniment.secrecy import Secret
from muniment.services.directories.users import add_user
from muniment.services.profiles.submit_profile import submit_profile
from muniment.services.reading.export_archive import export_archive
from muniment.services.runs.lifecycle import RunReport
from tests.support.cyrus import Cyrus
from tests.support.harness import Harness
from tests.support.imap_script import MODERN_CAPABILITIES, Folder, Mail, Script
from tests.support.imap_server import ImapServer
from tests.support.principal import ADMIN
from tests.support.profiles import profile_request

_COLLECTOR = "collect@mail.example"
_INBOX, _SENT = ("INBOX",), ("Sent Items",)


def _mail(number: int, *headers: str) -> bytes:
    lines = [*headers, f"Subject: number {number}", f"Message-ID: <{number}@example.com>"]
    return "\r\n".join(lines).encode() + b"\r\n\r\nbody %d\r\n" % number


#: The messages, and where they must be filed: user → folders.
_CASES: list[tuple[bytes, dict[str, list[tuple[str, ...]]]]] = [
    (_mail(1, "From: x@other.org", "To: Ann <ann@example.com>"), {"ann": [_INBOX]}),
    (_mail(2, "From: ann@example.com", "To: Bob <BOB@example.com>, c@other.org"), {"ann": [_SENT], "bob": [_INBOX]}),
    # in Bcc only: the envelope contains it
    (
        _mail(3, "X-Envelope-To: <bob@example.com>", "From: x@other.org", "To: list@other.org"),
        {"bob": [_INBOX]},
    ),
    (_mail(4, "From: ann@example.com", "To: ann@example.com"), {"ann": [_INBOX, _SENT]}),
    # an alias, a sub-address, and the collecting mailbox itself
    (
        _mail(
            5, "Delivered-To: collect@mail.example", "From: x@other.org", "Cc: a.smith@example.com, bob+x@example.com"
        ),
        {"ann": [_INBOX], "bob": [_INBOX]},
    ),
    (_mail(6, "From: x@other.org", "To: whoever@other.org"), {}),
    (_mail(7, "From: x@other.org", f"To: {_COLLECTOR}"), {}),
]


async def _submit(harness: Harness, host: str, port: int, **changes: Any) -> None:
    request: dict[str, Any] = {
        "name": "collect",
        "kind": ProfileKind.MULTIDROP,
        "server": Server(host, port, Access.IMAP, timeout_seconds=20.0),
        "user": _COLLECTOR,
        "password": Secret("secret"),
        "folders": EVERYTHING,
        **changes,
    }
    await submit_profile(ADMIN, harness.resources, profile_request(**request))


async def _users(harness: Harness) -> None:
    await add_user(ADMIN, harness.resources, "ann", ["ann@example.com", "a.smith@example.com"])
    await add_user(ADMIN, harness.resources, "bob", ["bob@example.com"])


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


async def _stands(harness: Harness, user: str, expected: dict[tuple[str, ...], set[bytes]], name: str = "end") -> None:
    contents = await harness.exported(user, name)
    found = {path: sorted(folder.elements()) for path, folder in contents.items()}
    assert found == {path: sorted(map(_digest, raws)) for path, raws in expected.items() if raws}


async def _all_cases_stand(harness: Harness, *, catch_all: bool = True) -> None:
    for user in ("ann", "bob"):
        expected: dict[tuple[str, ...], set[bytes]] = {}
        for raw, places in _CASES:
            for path in places.get(user, []):
                expected.setdefault(path, set()).add(raw)
        await _stands(harness, user, expected)
    nobodys = {raw for raw, places in _CASES if not places}
    if catch_all:
        await _stands(harness, "@catchall", {("Unknown E-mail Addresses",): nobodys})


@pytest.mark.parametrize("which", ["dovecot", "cyrus"])
async def test_real_servers(
    harness: Harness, which: str, request: pytest.FixtureRequest, new_address: Callable[[], str]
) -> None:
    """Each message is filed once for each of its owners, its content is stored once, and the next run adds nothing."""
    server: Dovecot | Cyrus = request.getfixturevalue(which)
    login = new_address()
    server.add_user(login, "secret")
    with imaplib.IMAP4(server.host, server.port) as user:
        user.login(login, "secret")
        user.create("Second")
        for number, (raw, _) in enumerate(_CASES):
            assert user.append("INBOX" if number % 2 else "Second", "", "", raw)[0] == "OK"
    await _users(harness)
    await _submit(harness, server.host, server.port, user=login, address=_COLLECTOR)
    first = await harness.archive("collect")
    again = await harness.archive("collect")

    await _all_cases_stand(harness)
    assert first.run.state == RunState.SUCCEEDED
    assert (first.run.messages.archived, again.run.messages.seen) == (len(_CASES), 0)
    async with harness.database.session() as session:
        assert await session.value("SELECT count(*) FROM messages") == len(_CASES)
    hits = await harness.search('"number 2"')
    assert sorted(place.user for hit in hits for place in hit.places) == ["ann", "bob"]


def _script(*raws: bytes, capabilities: str = f"{MODERN_CAPABILITIES} UIDPLUS") -> Script:
    folder = Folder([Mail(uid, raw) for uid, raw in enumerate(raws, 1)], uidvalidity=7)
    return Script(mailboxes={_COLLECTOR: {b"INBOX": folder}}, capabilities=capabilities)


async def _collected(harness: Harness, script: Script, **changes: Any) -> RunReport:
    async with ImapServer(script) as server:
        await _submit(harness, server.host, server.port, **changes)
        return await harness.archive("collect")


async def test_names_of_folders_are_a_setting(harness: Harness) -> None:
    """The names of the folders are configurable, case-sensitive, and may contain slashes for subfolders."""
    await _users(harness)
    rule = Multidrop(inbox="Journal/in", sent="SENT", catch_all="lost", catch_all_folder="Found")
    await _collected(harness, _script(*(raw for raw, _ in _CASES)), multidrop=rule)

    assert set(await harness.exported("ann")) == {("Journal", "in"), ("SENT",)}
    assert set(await harness.exported("lost")) == {("Found",)}


async def test_only_trusted_headers_count(harness: Harness) -> None:
    """Only trusted headers determine owners, because anyone can forge an X-Envelope-To."""
    await _users(harness)
    forged = _mail(1, "X-Envelope-To: ann@example.com", "From: x@other.org", "To: bob@example.com")
    received = _mail(
        2,
        "Received: from a by b for <ann@example.com>; Mon, 1 Jan 2024 00:00:00 +0000",
        "Received: from c by a for <bob@example.com>; Mon, 1 Jan 2024 00:00:00 +0000",
        "From: x@other.org",
    )
    await _collected(harness, _script(forged, received), multidrop=Multidrop(recipients=("To", "Received")))

    await _stands(harness, "ann", {_INBOX: {received}})
    await _stands(harness, "bob", {_INBOX: {forged}})


async def test_what_is_nobodys_can_stay_on_the_server(harness: Harness) -> None:
    """With `leave`, unowned mail is not archived, deleted or missing, but filed once a user gets its address."""
    await _users(harness)
    script = _script(*(raw for raw, _ in _CASES))
    folder = script.mailboxes[_COLLECTOR][b"INBOX"]
    nobodys = [raw for raw, places in _CASES if not places]
    async with ImapServer(script) as server:
        rule = Multidrop(unknown=Unknown.LEAVE)
        await _submit(harness, server.host, server.port, multidrop=rule, deletion=DeletionRule(after=AT_ONCE))
        first = await harness.archive("collect")
        await _all_cases_stand(harness, catch_all=False)
        assert [mail.content for mail in folder.messages] == nobodys
        server.lines.clear()
        second = await harness.archive("collect")
        assert not [line for line in server.lines if "BODY.PEEK[]" in line]

        await add_user(ADMIN, harness.resources, "carl", ["whoever@other.org"])
        third = await harness.archive("collect")

    counts = [(run.run.messages.archived, run.run.messages.filtered) for run in (first, second, third)]
    assert [archived for archived, _ in counts] == [5, 0, 1]
    assert not any(report.notices for report in (first, second, third))
    assert [mail.content for mail in folder.messages] == nobodys[1:]
    await _stands(harness, "carl", {_INBOX: {nobodys[0]}})


async def test_nothing_is_deleted_that_nobody_has(harness: Harness) -> None:
    """With a catch-all, every message has an owner, so all are archived and deleted."""
    await _users(harness)
    script = _script(*(raw for raw, _ in _CASES))
    await _collected(harness, script, deletion=DeletionRule(after=AT_ONCE))

    assert not script.mailboxes[_COLLECTOR][b"INBOX"].messages
    await _all_cases_stand(harness)


async def test_the_mailbox_itself_is_nobodys(harness: Harness) -> None:
    """No user may have the address of the collecting mailbox, because that user would get all mail."""
    await _users(harness)
    with pytest.raises(Misconfigured, match="Ann@example.com is the address of a user"):
        await _submit(harness, "127.0.0.1", 1, user="Ann@example.com")
    with pytest.raises(Misconfigured, match="must be nobody's"):
        await _submit(harness, "127.0.0.1", 1, user="collector", address="bob@example.com")


def _report(inner: bytes, *lines: str, boundary: str = "_000_x_") -> bytes:
    envelope = "\r\n".join(lines).encode()
    return (
        b"From: <MicrosoftExchange329e71@example.com>\r\nTo: collect@mail.example\r\nX-MS-Journal-Report:\r\n"
        b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n\tboundary="%b"\r\n\r\n'
        b"This is a multi-part message.\r\n--%b\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n%b\r\n\r\n--%b\r\n"
        b"Content-Type: message/rfc822\r\n\r\n%b\r\n--%b--\r\n"
    ) % (boundary.encode(), boundary.encode(), envelope, boundary.encode(), inner, boundary.encode())


async def test_journal_reports(harness: Harness) -> None:
    """The inner message is archived unchanged, reports of one message are merged, and only proven ones are deleted."""
    await _users(harness)
    await add_user(ADMIN, harness.resources, "carl", ["carl@example.com"])
    inner = _mail(9, "From: Ann <ann@example.com>", "To: team@example.com")
    broken = _report(inner, "Sender: ann@example.com", "To: bob@example.com").replace(b"message/rfc822", b"text/html")
    script = _script(
        _report(
            inner,
            "Sender: ann@example.com",
            "Message-ID: <9@example.com>",
            "To: bob@example.com, Expanded: team@example.com",
        ),
        _report(inner, "Sender: ann@example.com", "Bcc: carl@example.com", "To: bob@example.com", boundary="other"),
        broken,
    )
    outers = [mail.content for mail in script.mailboxes[_COLLECTOR][b"INBOX"].messages]
    report = await _collected(harness, script, deletion=DeletionRule(after=AT_ONCE))

    await _stands(harness, "ann", {_SENT: {inner}})
    await _stands(harness, "bob", {_INBOX: {inner}})
    await _stands(harness, "carl", {_INBOX: {inner}})
    await _stands(harness, "@catchall", {("Unknown E-mail Addresses",): {broken}})
    assert report.run.messages.deleted == 3
    async with harness.database.session() as session:
        kept = await messages.places(session, hashlib.sha256(inner).digest())
        wrappers = await session.values(
            "SELECT wrapper_begin || $1::bytea || wrapper_end FROM entries"
            " WHERE wrapper_begin IS NOT NULL ORDER BY uid",
            inner,
        )
    # The reports can be rebuilt byte for byte.
    assert wrappers == outers[:2]
    assert len(kept) == 2 + 3


async def test_journal_reports_can_be_left_alone(harness: Harness) -> None:
    """With the option disabled, a report is filed like any other message."""
    await _users(harness)
    outer = _report(_mail(9, "From: ann@example.com"), "Sender: ann@example.com", "To: bob@example.com")
    await _collected(harness, _script(outer), multidrop=Multidrop(journal=False))
    await _stands(harness, "@catchall", {("Unknown E-mail Addresses",): {outer}})


async def test_the_archive_directory_of_icewarp(harness: Harness) -> None:
    """The whole folder tree is read, and its paths determine the owner of messages without useful headers."""
    await _users(harness)
    silent = [_mail(number, "X-Nothing: at all") for number in range(3)]
    names = [b"example.com/ann/Inbox/2024-01", b"example.com/ann/Sent/2024-01", b"other.org/x/Inbox/2024-01"]
    tree = {name: Folder([Mail(1, raw)], uidvalidity=7) for name, raw in zip(names, silent, strict=True)}
    script = Script(mailboxes={_COLLECTOR: tree}, capabilities=MODERN_CAPABILITIES)
    await _collected(harness, script, server_kind=ServerKind.parse("icewarp"))

    await _stands(harness, "ann", {_INBOX: {silent[0]}, _SENT: {silent[1]}})
    await _stands(harness, "@catchall", {("Unknown E-mail Addresses",): {silent[2]}})


async def test_mail_that_the_user_archives_himself(harness: Harness) -> None:
    """Mail already archived from the user's own mailbox is not filed again; both kinds share one root folder."""
    await _users(harness)
    both = _mail(1, "From: x@other.org", "To: ann@example.com")
    once = _mail(2, "From: x@other.org", "To: ann@example.com")
    script = _script(both, once)
    script.mailboxes["ann@example.com"] = {b"INBOX": Folder([Mail(1, both)], uidvalidity=3)}
    async with ImapServer(script) as server:
        await submit_profile(
            ADMIN,
            harness.resources,
            profile_request(
                name="own",
                kind=ProfileKind.SINGLE,
                server=Server(server.host, server.port, Access.IMAP, timeout_seconds=20.0),
                login=LoginMethod.parse("login"),
                user="ann@example.com",
                password=Secret("secret"),
                archive="ann",
            ),
        )
        await harness.archive("own")
        await _submit(harness, server.host, server.port)
        await harness.archive("collect")
        await harness.archive("own")

    await _stands(harness, "ann", {_INBOX: {both, once}})
    report = await export_archive(ADMIN, harness.resources, "ann", directory=harness.folder / "again")
    assert report.messages == 2


async def test_new_numbers_file_nothing_twice(
    harness: Harness, dovecot: Dovecot, new_address: Callable[[], str]
) -> None:
    """After a collecting mailbox loses its UIDs, its messages are recognised and not filed again."""
    login = new_address()
    dovecot.add_user(login, "secret")
    with imaplib.IMAP4(dovecot.host, dovecot.port) as user:
        user.login(login, "secret")
        for raw, _ in _CASES:
            user.append("INBOX", "", "", raw)
    await _users(harness)
    await _submit(harness, dovecot.host, dovecot.port, user=login, address=_COLLECTOR)
    await harness.archive("collect")
    dovecot.renumber(login, _INBOX)
    report = await harness.archive("collect")

    assert report.run.messages.known == len(_CASES)
    await _all_cases_stand(harness)
