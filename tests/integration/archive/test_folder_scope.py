"""Which folders a run archives, on real servers and a scripted one."""

from __future__ import annotations

import imaplib
import itertools
from collections.abc import Callable

from muniment.model.folder_scope import USUAL, FolderScope, Namespace
from muniment.model.login import LoginMethod
from muniment.model.profile import Access, ProfileKind, Server
from muniment.model.run import RunState
from muniment.secrecy import Secret
from muniment.services.doctor.show_folders import show_folders
from tests.support.cyrus import PROXY, PROXY_PASSWORD, Cyrus
from tests.support.dovecot import MASTER, MASTER_PASSWORD, running_dovecot
from tests.support.harness import Harness
from tests.support.imap_script import Mail
from tests.support.imap_server import ImapServer
from tests.support.principal import ADMIN
from tests.support.scripted import TARGET, archive, mailbox, message, neighbourhood, proven, source

_BODY = b"From: a@example.com\r\nSubject: %b\r\n\r\nhello\r\n"


async def test_the_usual_folders(harness: Harness) -> None:
    """Drafts, junk and deleted mail are excluded, the rest is archived; new mail in excluded folders causes no work."""
    script = neighbourhood(
        mailbox("target", messages=60, folders=[b"INBOX", b"Work", b"Junk", b"Trash", b"Drafts"]), ()
    )
    folders = script.mailboxes[TARGET]
    async with ImapServer(script) as server:
        first = await archive(harness, server, folders=USUAL)
        junk = folders[b"Junk"]
        junk.messages = [*junk.messages, Mail(99, message("more junk"))]
        server.lines.clear()
        second = await harness.archive("all")

    assert source({name: folders[name] for name in (b"INBOX", b"Work")}) == await harness.exported(TARGET)
    assert (first.run.messages.archived, second.run.messages.seen) == (120, 0)
    assert not first.notices
    assert await proven(harness)
    assert not server.sent("EXAMINE")


async def test_a_scope_that_leaves_nothing_is_warned_about(harness: Harness) -> None:
    """A scope that excludes all folders gives a warning: a typing mistake in an include list must not look fine."""
    script = neighbourhood(mailbox("target"), ())
    async with ImapServer(script) as server:
        report = await archive(harness, server, folders=FolderScope(include=("INBOXES",)))
        shown = await show_folders(ADMIN, harness.resources, "all")

    assert report.run.state == RunState.SUCCEEDED
    [notice] = report.notices
    assert "none of its 3 folders is archived: `muniment profile folders all" in notice.warnings[0]
    assert shown.unused == ["INBOXES"]
    assert {one.reason for one in shown.folders} == {"nothing includes it"}


async def test_what_was_archived_stays_when_the_scope_narrows(harness: Harness) -> None:
    """If a profile excludes a folder later, its archived messages stay in the archive."""
    script = neighbourhood(mailbox("target"), ())
    async with ImapServer(script) as server:
        await archive(harness, server)
        narrow = FolderScope(exclude=("Archive",))
        await harness.submit(
            "other",
            server.host,
            server.port,
            mailboxes=[TARGET],
            folders=narrow,
        )
        report = await harness.archive("other")

    assert report.run.state == RunState.SUCCEEDED
    assert source(script.mailboxes[TARGET]) == await harness.exported(TARGET)


async def test_dovecot_marks_and_shares_folders(harness: Harness, new_address: Callable[[], str]) -> None:
    """Dovecot's SPECIAL-USE and NAMESPACE are respected; shared folders can have an archive of their own."""
    address = new_address()
    public = """
namespace public {
  type = public
  prefix = Public/
  separator = /
  location = maildir:~/../public:LAYOUT=fs
  list = yes
  subscriptions = no
}
"""
    with running_dovecot(settings=public) as dovecot:
        dovecot.add_user(address, "secret")
        connection = imaplib.IMAP4(dovecot.host, dovecot.port)
        connection.login(address, "secret")
        uids = itertools.count(1)
        for name in ("INBOX", "Trash", "Junk", "Work", "Public/News"):
            connection.create(name)
            assert connection.append(name, "", "", _BODY % f"{name} {next(uids)}".encode())[0] == "OK"
        connection.logout()
        login = {"user": MASTER, "password": Secret(MASTER_PASSWORD), "mailboxes": [address], "login": None}
        await harness.submit("all", dovecot.host, dovecot.port, folders=USUAL, **login)
        await harness.archive("all")
        shown = await show_folders(ADMIN, harness.resources, "all")
        shared = {
            "kind": ProfileKind.SINGLE,
            "user": address,
            "password": Secret("secret"),
            "login": LoginMethod.parse("login"),
            "archive": "Public",
            "address": "Public folders",
            "folders": FolderScope(namespaces=frozenset({Namespace.SHARED})),
        }
        await harness.submit("public", dovecot.host, dovecot.port, **shared)
        await harness.archive("public")

    assert set(await harness.exported(address)) == {("INBOX",), ("Work",)}
    assert set(await harness.exported("Public")) == {("Public", "News")}
    reasons = {"/".join(one.folder.path): one.reason for one in shown.folders}
    assert reasons["Trash"] == "deleted (the server marks it \\Trash)"
    assert reasons["Public/News"] == "it is shared"
    assert reasons["Work"] == "nothing excludes it"


async def test_cyrus_shows_other_users(harness: Harness, cyrus: Cyrus, new_address: Callable[[], str]) -> None:
    """Folders that another user shares are excluded, because their mail belongs to that user."""
    alice, bob = new_address(), new_address()
    for address in (alice, bob):
        cyrus.add_user(address, "secret")
        connection = imaplib.IMAP4(cyrus.host, cyrus.port)
        connection.login(address, "secret")
        assert connection.append("INBOX", "", "", _BODY % address.encode())[0] == "OK"
        if address == bob:
            assert connection.setacl("INBOX", alice, "lrs")[0] == "OK"
        connection.logout()
    server = Server(cyrus.host, cyrus.port, Access.IMAP, timeout_seconds=20.0)
    login = {"user": PROXY, "password": Secret(PROXY_PASSWORD), "mailboxes": [alice], "server": server}
    await harness.submit("all", cyrus.host, cyrus.port, folders=USUAL, **login)
    await harness.archive("all")
    shown = await show_folders(ADMIN, harness.resources, "all", alice)

    reasons = {one.reason for one in shown.folders if one.folder.path[0] == "Other Users"}
    assert reasons == {"it is another user's"}
    assert set(await harness.exported(alice)) == {("INBOX",)}


async def test_sent_mail_has_one_name(harness: Harness) -> None:
    """MDaemon's folder for sent mail, and its names elsewhere, are filed as Sent Items, with their subfolders."""
    script = neighbourhood(mailbox("target", folders=[b"INBOX", b"Gesendet", b"Gesendet/2024", b"Work/Out"]), ())
    async with ImapServer(script) as server:
        await archive(harness, server, folders=FolderScope(sent=("Gesendet", "Work/Out/")))
        again = await harness.archive("all")

    assert set(await harness.exported(TARGET)) == {("INBOX",), ("Sent Items",), ("Sent Items", "2024")}
    assert (await harness.exported(TARGET, "again"))["Sent Items",].total() == 12
    assert again.run.messages.seen == 0
    assert await proven(harness)
