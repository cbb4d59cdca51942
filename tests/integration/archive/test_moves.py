"""Moves: a message moved to another folder on the server is shown in that folder of the archive."""

from __future__ import annotations

import imaplib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from muniment.demo.dovecot import Dovecot
from muniment.demo.mail import generate_mailbox
from muniment.model.run import RunState
from muniment.secrecy import Secret
from muniment.services.reading.show_message import show_message
from tests.support.cyrus import PROXY, PROXY_PASSWORD, Cyrus
from tests.support.dovecot import MASTER, MASTER_PASSWORD
from tests.support.harness import Contents, Harness, hashes
from tests.support.mailgen import append
from tests.support.principal import ADMIN
from tests.support.scripted import proven

_MAILS = [mail for mails in generate_mailbox(77, 40).values() for mail in mails][:12]
_INBOX, _WORK, _OTHER = ("INBOX",), ("Work",), ("Other",)


@pytest.fixture(params=["dovecot", "cyrus"])
def server(request: pytest.FixtureRequest) -> Dovecot | Cyrus:
    """Each of the real servers."""
    found: Dovecot | Cyrus = request.getfixturevalue(request.param)
    return found


class _User:
    """A user with twelve messages in INBOX who moves them."""

    def __init__(self, connection: imaplib.IMAP4) -> None:
        self.connection = connection

    def do(self, command: str, *words: str) -> None:
        """Send a UID command."""
        answer, data = self.connection.uid(command, *words)
        assert answer == "OK", data

    def open(self, folder: str) -> None:
        """Select a folder."""
        answer, data = self.connection.select(folder)
        assert answer == "OK", data

    def uids(self) -> list[str]:
        """Return the UIDs of the open folder."""
        found: bytes = self.connection.uid("SEARCH", "ALL")[1][0]
        return found.decode().split()


@contextmanager
def _user(server: Dovecot | Cyrus, address: str, *, fill: bool = False) -> Iterator[_User]:
    if fill:
        server.add_user(address, "secret")
    with imaplib.IMAP4(server.host, server.port) as connection:
        connection.login(address, "secret")
        if fill:
            assert not append(connection, {_INBOX: _MAILS, _WORK: [], _OTHER: []})
        yield _User(connection)


async def _submit(harness: Harness, server: Dovecot | Cyrus, address: str) -> None:
    login = (PROXY, PROXY_PASSWORD) if isinstance(server, Cyrus) else (MASTER, MASTER_PASSWORD)
    await harness.submit(
        "all", server.host, server.port, mailboxes=[address], user=login[0], password=Secret(login[1]),
        no_master_mailbox=True,
    )  # fmt: skip


def _of(start: int, end: int) -> Contents:
    """Return the hashes of messages as the contents of a folder with an empty path."""
    return {(): hashes([mail.raw for mail in _MAILS[start:end]])}


async def _stands(harness: Harness, address: str, name: str, **expected: tuple[int, int]) -> None:
    """Check which messages are in which folder, and nowhere else."""
    paths = {"inbox": _INBOX, "work": _WORK, "other": _OTHER, "new": ("New",)}
    wanted = {paths[key]: _of(*bounds)[()] for key, bounds in expected.items() if bounds[0] < bounds[1]}
    assert await harness.exported(address, name) == wanted


async def test_moves(harness: Harness, server: Dovecot | Cyrus, new_address: Callable[[], str]) -> None:
    """After moves to a folder, on to a third one, and back, the archive follows, and nothing is stored twice."""
    address = new_address()
    with _user(server, address, fill=True) as user:
        await _submit(harness, server, address)
        await harness.archive("all")
        await _stands(harness, address, "first", inbox=(0, 12))

        user.open("INBOX")
        user.do("MOVE", ",".join(user.uids()[4:]), "Work")
        second = await harness.archive("all")
        await _stands(harness, address, "second", inbox=(0, 4), work=(4, 12))

        user.open("Work")
        user.do("MOVE", ",".join(user.uids()[4:]), "Other")
        await harness.archive("all")
        await _stands(harness, address, "third", inbox=(0, 4), work=(4, 8), other=(8, 12))

        user.open("Other")
        user.do("MOVE", ",".join(user.uids()), "INBOX")
        user.open("INBOX")
        last = await harness.archive("all")

    contents = await harness.exported(address, "last")
    assert contents[_INBOX] == _of(0, 4)[()] + _of(8, 12)[()]
    assert contents[_WORK] == _of(4, 8)[()]
    assert set(contents) == {_INBOX, _WORK}
    assert second.run.state == last.run.state == RunState.SUCCEEDED
    assert await proven(harness, address)
    async with harness.database.session() as session:
        assert await session.value("SELECT count(*) FROM messages") == 12
        # Their previous places are still recorded.
        assert await session.value("SELECT count(*) FROM entries WHERE gone IS NOT NULL") == 8 + 4 + 4


async def test_copies_deletions_and_renamed_folders(
    harness: Harness, server: Dovecot | Cyrus, new_address: Callable[[], str]
) -> None:
    """A copy is shown in both folders, a deleted message in its last one, and a renamed folder under its new name."""
    address = new_address()
    with _user(server, address, fill=True) as user:
        await _submit(harness, server, address)
        user.open("INBOX")
        user.do("COPY", ",".join(user.uids()[6:]), "Work")
        await harness.archive("all")
        await _stands(harness, address, "copied", inbox=(0, 12), work=(6, 12))

        user.do("STORE", ",".join(user.uids()[6:]), "+FLAGS.SILENT", "(\\Deleted)")
        user.connection.expunge()
        await harness.archive("all")
        await _stands(harness, address, "one", inbox=(0, 6), work=(6, 12))

        user.do("STORE", ",".join(user.uids()), "+FLAGS.SILENT", "(\\Deleted)")
        user.connection.expunge()
        user.connection.rename("Work", "New")
        await harness.archive("all")
        await _stands(harness, address, "renamed", inbox=(0, 6), new=(6, 12))

        user.connection.rename("New", "Work")
        user.open("INBOX")
        report = await harness.archive("all")

    await _stands(harness, address, "back", inbox=(0, 6), work=(6, 12))
    assert report.run.state == RunState.SUCCEEDED
    assert report.run.messages.archived == 0


async def test_new_numbers_are_no_move(harness: Harness, dovecot: Dovecot, new_address: Callable[[], str]) -> None:
    """New UIDs are not mistaken for moves: messages stay in their folders, even one deleted meanwhile."""
    address = new_address()
    with _user(dovecot, address, fill=True) as user:
        user.open("INBOX")
        await _submit(harness, dovecot, address)
        await harness.archive("all")
        user.do("MOVE", user.uids()[0], "Work")
        user.do("STORE", user.uids()[0], "+FLAGS.SILENT", "(\\Deleted)")
        user.connection.expunge()
    dovecot.renumber(address, _INBOX)
    report = await harness.archive("all")

    contents = await harness.exported(address)
    assert contents[_INBOX] == _of(1, 12)[()]
    assert contents[_WORK] == _of(0, 1)[()]
    assert report.run.messages.known == 10


async def test_what_is_found_is_where_it_stands(
    harness: Harness, dovecot: Dovecot, new_address: Callable[[], str]
) -> None:
    """Search results name the current folder."""
    address = new_address()
    with _user(dovecot, address, fill=True) as user:
        await _submit(harness, dovecot, address)
        await harness.archive("all")
        user.open("INBOX")
        user.do("MOVE", user.uids()[0], "Work")
        user.open("Work")
        await harness.archive("all")
    async with harness.database.session() as session:
        sha256 = await session.value(
            "SELECT sha256 FROM messages JOIN entries ON entries.message_id = messages.id WHERE gone IS NOT NULL"
        )
        subject = await session.value("SELECT subject FROM messages WHERE sha256 = $1", sha256)
    hits = await harness.search(f'"{subject}"')
    assert [place.folder[1:] for hit in hits if hit.sha256 == sha256 for place in hit.places] == [_WORK]
    places = await show_message(ADMIN, harness.resources, sha256.hex())
    assert [(tuple(place.path), place.former, place.gone is not None) for place in places] == [
        (_INBOX, True, True),
        (_WORK, False, False),
    ]
