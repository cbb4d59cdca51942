"""UIDs mean something only with the server, the account and the UIDVALIDITY that they came from."""

from __future__ import annotations

import pytest

from muniment.model.profile import ProfileKind
from muniment.model.run import RunState
from muniment.secrecy import Secret
from tests.support.harness import Harness
from tests.support.imap_script import Folder
from tests.support.imap_server import ImapServer
from tests.support.scripted import TARGET, archive, mails, neighbourhood, proven, source


async def test_mailbox_that_moved_to_another_server(harness: Harness) -> None:
    """The same UIDs on another server are other messages: all of them are archived, known ones are recognised."""
    common = mails("moved", 3)
    old = neighbourhood({b"INBOX": Folder([*common, *mails("old", 2, first=4)], uidvalidity=1)}, ())
    known = [mail._replace(uid=mail.uid + 8) for mail in common]
    new = neighbourhood({b"INBOX": Folder([*mails("new", 8), *known], uidvalidity=1)}, ())
    async with ImapServer(old) as server:
        first = await archive(harness, server)
    async with ImapServer(new) as server:
        await harness.submit("new home", server.host, server.port, mailboxes=[TARGET])
        second = await harness.archive("new home")

    assert first.run.messages.archived == 5
    assert (second.run.messages.archived, second.run.messages.known) == (8, 3)
    expected = source(old.mailboxes[TARGET])[("INBOX",)] | source(new.mailboxes[TARGET])[("INBOX",)]
    assert {("INBOX",): expected} == await harness.exported(TARGET)


@pytest.mark.parametrize("same_content", [True, False])
async def test_server_without_uidvalidity(harness: Harness, *, same_content: bool) -> None:
    """Without UIDVALIDITY a UID may stand for another message in the next run, and nothing is missed or doubled."""
    script = neighbourhood({b"INBOX": Folder(mails("first", 2), uidvalidity=None)}, ())
    async with ImapServer(script) as server:
        await archive(harness, server)
        if not same_content:
            script.mailboxes[TARGET][b"INBOX"].messages = mails("second", 2)
        second = await harness.archive("all")

    assert (0 if same_content else 2) == second.run.messages.archived
    expected = source({b"INBOX": Folder(mails("first", 2) + ([] if same_content else mails("second", 2)))})
    assert expected == await harness.exported(TARGET)


async def test_server_that_lists_no_folder(harness: Harness) -> None:
    """A mailbox without even an INBOX is no proof of anything: the job fails and says so."""
    script = neighbourhood({}, ())
    harness = harness.with_settings(job_attempts=2)
    async with ImapServer(script) as server:
        report = await archive(harness, server)

    assert report.run.state == RunState.FAILED
    assert "lists no folder" in report.failures[0].error
    assert not await proven(harness)


async def test_names_that_change_with_their_case(harness: Harness, port: int) -> None:
    """A name whose small letters Python and PostgreSQL do not agree on is a name like any other."""
    csv = "user;password;address;archive\nİzmir@example.com;pw;;\n".encode()
    summary = await harness.submit(
        "csv", "127.0.0.1", port, kind=ProfileKind.CSV, login=None, user="", password=Secret(""), csv=csv
    )

    assert summary.mailboxes == 1
