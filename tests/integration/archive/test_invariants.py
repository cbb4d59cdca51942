"""A second run is cheap, the source is only read, and a new UIDVALIDITY does not archive everything again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from muniment.demo.dovecot import Dovecot
from muniment.demo.mail import generate_mailbox
from muniment.model.run import RunState
from muniment.secrecy import Secret
from tests.support.dovecot import MASTER_PASSWORD
from tests.support.harness import Harness, hashes
from tests.support.imap_script import Folder, Mail
from tests.support.imap_server import ImapServer
from tests.support.scripted import (
    TARGET,
    archive,
    mailbox,
    mails,
    message,
    neighbourhood,
    proven,
    source,
)


async def test_unchanged_mailbox_costs_few_commands(harness: Harness) -> None:
    """A second run of an unchanged mailbox fetches no bodies and needs at most six commands after the login."""
    script = neighbourhood(mailbox("target", folders=[b"INBOX", *(b"folder %d" % n for n in range(30))]), ())
    async with ImapServer(script) as server:
        await archive(harness, server)
        before = len(server.lines)
        report = await harness.archive("all")

    lines = server.lines[before:]
    after_login = lines[max(n for n, line in enumerate(lines) if line.startswith("AUTHENTICATE")) + 1 :]
    assert [line for line in lines if "BODY.PEEK[]" in line] == []
    assert len([*after_login, "LOGOUT"]) <= 6
    assert (report.run.state, report.run.messages.seen) == (RunState.SUCCEEDED, 0)
    assert await proven(harness)


async def test_source_is_only_read(harness: Harness, dovecot: Dovecot, new_address: Callable[[], str]) -> None:
    """After a run, every file of the mailbox has the same name, flags and bytes as before."""
    address = new_address()
    dovecot.add_user(address, "unused")
    dovecot.load(address, generate_mailbox(11, 80))
    root = dovecot.folder / "mail" / address
    before = maildir_files(root)
    await harness.submit("one", dovecot.host, dovecot.port, mailboxes=[address], password=Secret(MASTER_PASSWORD))

    report = await harness.archive("one")

    assert report.run.messages.archived == 80
    assert before == maildir_files(root)


def maildir_files(root: Path) -> dict[str, bytes]:
    """Return the messages by path, whose name contains the flags; Dovecot's own indexes may change."""
    return {
        str(file.relative_to(root)): file.read_bytes()
        for file in root.rglob("*")
        if file.is_file() and file.parent.name in {"cur", "new", "tmp"}
    }


async def test_only_reading_commands_are_sent(harness: Harness) -> None:
    """Only EXAMINE, PEEK and other commands that cannot change a mailbox are sent."""
    script = neighbourhood(mailbox("target"), ())
    async with ImapServer(script) as server:
        await archive(harness, server)

    names = {" ".join(line.split()[: 2 if line.startswith("UID") else 1]) for line in server.lines}
    assert names <= {"AUTHENTICATE", "CAPABILITY", "LIST", "STATUS", "EXAMINE", "FETCH", "UID SEARCH", "UID FETCH"}
    assert not [line for line in server.lines if "BODY[" in line]


@pytest.mark.parametrize("other_store", [False, True])
async def test_uidvalidity_change_keeps_what_is_known(harness: Harness, *, other_store: bool) -> None:
    """After a change of UIDVALIDITY, known messages are recognised by content, and only new ones are added."""
    twins = [Mail(20, message("twin")), Mail(21, message("twin")), Mail(22, message("twin"))]
    inbox = Folder([*mails("old", 10), *twins], uidvalidity=5)
    script = neighbourhood({b"INBOX": inbox, b"Sent": Folder(mails("sent", 4), uidvalidity=5)}, ())
    async with ImapServer(script) as server:
        await archive(harness, server)
        if other_store:
            async with harness.database.session() as session:
                await session.value("SELECT create_store('x')")
        shuffled = [*mails("new", 3), *(m for m in inbox.messages if m.uid != 7), Mail(0, message("twin"))]
        inbox.messages = [mail._replace(uid=100 + n * 3) for n, mail in enumerate(shuffled)]
        inbox.uidvalidity = 9
        second = await harness.archive("all")
        third = await harness.archive("all")

    expected = source(script.mailboxes[TARGET])
    expected["INBOX",] += hashes([message("old-7")])  # it left the server, not the archive
    assert (second.run.messages.archived, second.run.messages.known) == (4, 12)
    assert (third.run.messages.archived, third.run.messages.seen) == (0, 0)
    assert expected == await harness.exported(TARGET)
    assert await proven(harness)


async def test_uidvalidity_appears(harness: Harness) -> None:
    """A server that starts to report UIDVALIDITY does not cause everything to be archived again."""
    script = neighbourhood({b"INBOX": Folder(mails("old", 10), uidvalidity=None)}, ())
    async with ImapServer(script) as server:
        await archive(harness, server)
        script.mailboxes[TARGET][b"INBOX"].uidvalidity = 77
        second = await harness.archive("all")

    assert (second.run.messages.archived, second.run.messages.known) == (0, 10)
    assert source(script.mailboxes[TARGET]) == await harness.exported(TARGET)


async def test_dovecot_renumbers(harness: Harness, dovecot: Dovecot, new_address: Callable[[], str]) -> None:
    """A real folder that returns with another UIDVALIDITY is recognised completely."""
    address = new_address()
    dovecot.add_user(address, "unused")
    dovecot.load(address, generate_mailbox(5, 40))
    await harness.submit("one", dovecot.host, dovecot.port, mailboxes=[address], password=Secret(MASTER_PASSWORD))
    await harness.archive("one")
    before = await harness.exported(address, "before")
    dovecot.renumber(address, ("INBOX",))

    report = await harness.archive("one")

    assert (0, sum(before["INBOX",].values())) == (report.run.messages.archived, report.run.messages.known)
    assert before == await harness.exported(address, "after")
