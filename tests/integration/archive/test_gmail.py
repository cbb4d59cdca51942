"""Gmail shows one message in several folders; it is fetched once, and none is missed."""

from __future__ import annotations

from typing import Any

from muniment.model.folder_scope import FolderScope
from muniment.model.server_kind import ServerKind
from tests.support.harness import Harness
from tests.support.imap_script import MODERN_CAPABILITIES, Folder, Mail, Script
from tests.support.imap_server import ImapServer, running_imap_server
from tests.support.scripted import TARGET, archive, message

GMAIL = f"{MODERN_CAPABILITIES} X-GM-EXT-1"
ALL = b"[Gmail]/All Mail"
WORK = b"Caf&AOk-/&- more"


def gmail(*in_all: tuple[str, tuple[bytes, ...] | None], **folders: list[str]) -> Script:
    """Return a mailbox: the messages of All Mail with their labels, and the names of those in each other folder."""
    all_mail = [Mail(uid, message(name), labels=labels) for uid, (name, labels) in enumerate(in_all, start=1)]
    views = {
        b"INBOX": folders.get("inbox", []),
        WORK: folders.get("work", []),
        b"[Gmail]/Sent Mail": folders.get("sent", []),
        b"[Gmail]/Starred": folders.get("starred", []),
        b"[Gmail]/Important": folders.get("important", []),
    }
    attributes = {
        b"[Gmail]/Sent Mail": "\\Sent",
        b"[Gmail]/Starred": "\\Flagged",
        b"[Gmail]/Important": "\\Important",
    }
    mailbox = {
        name: Folder(
            [Mail(uid, message(one)) for uid, one in enumerate(names, start=1)],
            uidvalidity=number,
            attributes=attributes.get(name, ""),
        )
        for number, (name, names) in enumerate(views.items(), start=10)
    }
    mailbox[ALL] = Folder(all_mail, uidvalidity=1, attributes="\\All")
    return Script({TARGET: mailbox}, GMAIL)


async def folders_of(harness: Harness) -> dict[str, int]:
    """Return how many messages the archive has in each folder."""
    return {"/".join(path): sum(found.values()) for path, found in (await harness.exported(TARGET)).items()}


async def run(harness: Harness, server: ImapServer, **changes: Any) -> Any:
    """Archive the mailbox with a profile of the kind gmail."""
    return await archive(harness, server, server_kind=ServerKind.parse("gmail"), **changes)


async def test_every_message_is_fetched_once(harness: Harness) -> None:
    """Labels name folders as they are listed: system folders, and the user's in modified UTF-7."""
    script = gmail(
        ("a", (b"\\Inbox", b"\\Important")),
        ("b", (WORK,)),
        ("c", (b"\\SENT", b"\\Starred")),
        ("archived", ()),
        ("only-starred", (b"\\Starred",)),
        ("untold", None),
        inbox=["a"],
        work=["b"],
        sent=["c"],
        starred=["c", "only-starred"],
        important=["a"],
    )
    with running_imap_server(script) as server:
        report = await run(harness, server)

    assert report.run.messages.archived == 6
    assert await folders_of(harness) == {
        "INBOX": 1,
        "Café/& more": 1,
        "[Gmail]/Sent Mail": 1,
        "[Gmail]/All Mail": 3,
    }
    assert not any("Starred" in line or "Important" in line for line in server.sent("EXAMINE"))
    delivered = sum("BODY.PEEK[]" in line for line in server.sent("UID FETCH"))
    assert delivered == 4


async def test_a_message_that_loses_its_label_is_fetched_from_all_mail(harness: Harness) -> None:
    """It was skipped because another folder would have it; if that folder never had it, the next run fetches it."""
    script = gmail(("a", (b"\\Inbox",)), inbox=[])
    with running_imap_server(script) as server:
        before = await run(harness, server)
        folder = script.mailboxes[TARGET][ALL]
        folder.messages = [Mail(1, message("a"), labels=())]
        report = await harness.archive("all")

    assert (before.run.messages.archived, report.run.messages.archived) == (0, 1)
    assert await folders_of(harness) == {"[Gmail]/All Mail": 1}


async def test_labels_of_folders_that_are_left_out_do_not_count(harness: Harness) -> None:
    """What the profile excludes elsewhere is archived from All Mail."""
    script = gmail(("a", (b"\\Inbox",)), ("b", (WORK,)), inbox=["a"], work=["b"])
    with running_imap_server(script) as server:
        await run(harness, server, folders=FolderScope(exclude=("Café",)))

    assert await folders_of(harness) == {"INBOX": 1, "[Gmail]/All Mail": 1}


async def test_refused_labels_lose_no_mail(harness: Harness) -> None:
    """A server that does not tell the labels has everything fetched from All Mail."""
    script = gmail(("a", None), ("b", None), inbox=["a"])
    with running_imap_server(script) as server:
        await run(harness, server)

    assert await folders_of(harness) == {"INBOX": 1, "[Gmail]/All Mail": 2}
