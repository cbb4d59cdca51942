"""Mailboxes of the scripted server, their expected archives, and a run over all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from muniment.model.profile import Access, Server
from muniment.model.run import RunState
from muniment.services.runs.lifecycle import RunReport
from tests.support.harness import Contents, Harness, hashes
from tests.support.imap_script import Folder, HugeContent, Mail, Script
from tests.support.imap_server import ImapServer

TARGET = "target@example.com"
NEIGHBOURS = ("anna@example.com", "ben@example.com", "carla@example.com")


def message(name: str, body: bytes = b"as it was sent") -> bytes:
    """Return a unique message."""
    return (
        b"Message-ID: <%b@example.com>\r\nFrom: Sender <s@example.com>\r\nSubject: about %b\r\n"
        b"Date: Wed, 17 Jul 2024 02:44:25 -0700\r\n\r\n%b\r\n"
    ) % (name.encode(), name.encode(), body)


def mails(name: str, count: int, *, first: int = 1, body: bytes = b"as it was sent") -> list[Mail]:
    """Return messages with UIDs from `first` on."""
    return [Mail(uid, message(f"{name}-{uid}", body)) for uid in range(first, first + count)]


def mailbox(
    name: str, *, messages: int = 6, folders: Sequence[bytes] = (b"INBOX", b"Archive", b"Sent")
) -> dict[bytes, Folder]:
    """Return a mailbox with the given number of messages in each folder."""
    return {
        folder: Folder(mails(f"{name}-{folder.decode()}", messages), uidvalidity=1000 + number)
        for number, folder in enumerate(folders)
    }


def neighbourhood(target: dict[bytes, Folder], neighbours: Iterable[str] = NEIGHBOURS) -> Script:
    """Return a server with the mailbox under test and healthy ones beside it."""
    return Script(mailboxes={TARGET: target} | {address: mailbox(address.partition("@")[0]) for address in neighbours})


def source(folders: dict[bytes, Folder], *, without: Iterable[int] = ()) -> Contents:
    """Return the expected archive of a mailbox with plain folder names, `without` these UIDs in any folder."""
    left_out = set(without)
    contents: Contents = {}
    for name, folder in folders.items():
        digests: Counter[str] = hashes(
            [m.content for m in folder.messages if m.uid not in left_out and not isinstance(m.content, HugeContent)]
        )
        if digests:
            contents[tuple(name.decode().split("/"))] = digests
    return contents


async def submit(
    harness: Harness, server: ImapServer, name: str = "all", *, timeout_seconds: float = 20.0, **changes: Any
) -> None:
    """Add a master profile for every mailbox of the server, with the given changes."""
    target = Server(server.host, server.port, Access.IMAP, timeout_seconds=timeout_seconds)
    await harness.submit(
        name, server.host, server.port, **{"mailboxes": list(server.script.mailboxes), "server": target, **changes}
    )


async def archive(harness: Harness, server: ImapServer, **changes: Any) -> RunReport:
    """Add a profile for every mailbox of the server and run it."""
    await submit(harness, server, **changes)
    return await harness.archive("all")


async def assert_neighbours_exact(harness: Harness, script: Script) -> None:
    """Check that the mailboxes other than the one under test are complete, byte for byte."""
    for address in NEIGHBOURS:
        if address in script.mailboxes:
            assert source(script.mailboxes[address]) == await harness.exported(address), address


async def proven(harness: Harness, address: str = TARGET) -> bool:
    """Tell whether a mailbox counts as proven complete."""
    async with harness.database.session() as session:
        return bool(await session.value("SELECT proven IS NOT NULL FROM mailboxes WHERE address = $1", address))


def failed(report: RunReport) -> str:
    """Return why the mailbox under test failed; no other may have failed, and the hint must name an action."""
    assert report.run.state == RunState.FAILED
    [failure] = report.failures
    assert failure.mailbox == TARGET
    assert failure.hint
    return failure.error
