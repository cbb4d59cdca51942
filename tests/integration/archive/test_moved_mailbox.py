"""UIDs are valid only together with their server, account and UIDVALIDITY."""

from __future__ import annotations

from collections import Counter
from contextlib import AsyncExitStack

import pytest

from muniment.model.folder_scope import EVERYTHING
from muniment.model.profile import Access, ProfileKind, Server
from muniment.model.run import RunState
from muniment.secrecy import Secret
from muniment.services.profiles.submit_profile import submit_profile
from muniment.services.runs.lifecycle import start_run
from muniment.services.runs.tick import pump_runs
from tests.support.harness import Contents, Harness
from tests.support.imap_script import Folder
from tests.support.imap_server import ImapServer
from tests.support.principal import ADMIN
from tests.support.profiles import profile_request
from tests.support.scripted import TARGET, archive, mails, neighbourhood, proven, source


async def test_mailbox_that_moved_to_another_server(harness: Harness) -> None:
    """Equal UIDs on another server are different messages: all are archived, and known contents are recognised."""
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


async def move(harness: Harness, *stations: Folder) -> Contents:
    """Archive a mailbox on one server after another, and return the union of their contents."""
    held: Contents = {}
    for number, inbox in enumerate(stations):
        script = neighbourhood({b"INBOX": inbox}, ())
        async with ImapServer(script) as server:
            await harness.submit(f"station {number}", server.host, server.port, mailboxes=[TARGET])
            report = await harness.archive(f"station {number}")
        assert report.run.state == RunState.SUCCEEDED
        held["INBOX",] = held.get(("INBOX",), Counter()) | source(script.mailboxes[TARGET])["INBOX",]
    return held


@pytest.mark.parametrize("before", [1, None])
@pytest.mark.parametrize("after", [1, None])
async def test_numbers_of_two_servers_are_never_mixed(harness: Harness, before: int | None, after: int | None) -> None:
    """With or without UIDVALIDITY on the old and the new server, equal UIDs remain different messages."""
    held = await move(
        harness,
        Folder(mails("old", 5), uidvalidity=before),
        Folder(mails("new", 8), uidvalidity=after),
    )

    assert held == await harness.exported(TARGET)
    assert await proven(harness)


async def test_uidvalidity_that_comes_back(harness: Harness) -> None:
    """If a server restored from a backup reuses an old UIDVALIDITY for other messages, all of them are archived."""
    inbox = Folder(mails("first", 4), uidvalidity=1)
    script = neighbourhood({b"INBOX": inbox}, ())
    held = source(script.mailboxes[TARGET])
    async with ImapServer(script) as server:
        await archive(harness, server)
        for uidvalidity, name in ((2, "second"), (1, "third")):
            inbox.uidvalidity, inbox.messages = uidvalidity, mails(name, 5)
            held["INBOX",] |= source(script.mailboxes[TARGET])["INBOX",]
            await harness.archive("all")

    assert held == await harness.exported(TARGET)
    assert await proven(harness)


async def test_moving_in_the_middle_of_a_run(harness: Harness) -> None:
    """A profile moved to other servers twice during a run archives everything on the last one."""
    scripts = [neighbourhood({b"INBOX": Folder(mails(name, 6), uidvalidity=1)}, ()) for name in ("a", "b", "c")]
    tiny = harness.with_settings(batch_messages=2, slice_bytes=1)
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(ImapServer(script)) for script in scripts]
        await tiny.submit("p", servers[0].host, servers[0].port, mailboxes=[TARGET])
        run_id = await start_run(ADMIN, tiny.resources, "p")
        for server in servers[1:]:
            await tiny.work()
            await pump_runs(ADMIN, tiny.resources)
            await resubmit(tiny, "p", server.port)
        report = await tiny.finish(run_id)

    assert report.run.state == RunState.SUCCEEDED
    exported = await harness.exported(TARGET)
    assert source(scripts[2].mailboxes[TARGET])["INBOX",] <= exported["INBOX",]
    assert await proven(harness)


async def resubmit(harness: Harness, name: str, port: int) -> None:
    """Change the port of a profile."""
    request = profile_request(
        name=name,
        kind=ProfileKind.MASTER,
        server=Server("127.0.0.1", port, Access.IMAP, timeout_seconds=20.0),
        user="archiver",
        password=Secret("master"),
        mailboxes=[TARGET],
        folders=EVERYTHING,
    )
    await submit_profile(ADMIN, harness.resources, request, change=True)


async def test_folder_without_uidvalidity_is_not_cut(harness: Harness) -> None:
    """A folder without UIDVALIDITY, whose UIDs are valid for one connection only, is not split even by short slices."""
    script = neighbourhood({b"INBOX": Folder(mails("a", 9), uidvalidity=None)}, ())
    tiny = harness.with_settings(batch_messages=2, slice_bytes=1)
    async with ImapServer(script) as server:
        report = await archive(tiny, server)

    assert (report.run.messages.archived, report.run.messages.known) == (9, 0)
    assert await proven(harness)


@pytest.mark.parametrize("same_content", [True, False])
async def test_server_without_uidvalidity(harness: Harness, *, same_content: bool) -> None:
    """Without UIDVALIDITY, a UID may mean another message in the next run, but nothing is missed or duplicated."""
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
    """A mailbox without even an INBOX proves nothing: the job fails and says so."""
    script = neighbourhood({}, ())
    harness = harness.with_settings(job_attempts=2)
    async with ImapServer(script) as server:
        report = await archive(harness, server)

    assert report.run.state == RunState.FAILED
    assert "lists no folder" in report.failures[0].error
    assert not await proven(harness)


async def test_names_that_change_with_their_case(harness: Harness, port: int) -> None:
    """A name that Python and PostgreSQL convert to lower case differently is accepted."""
    csv = "user;password;address;archive\nİzmir@example.com;pw;;\n".encode()
    summary = await harness.submit(
        "csv", "127.0.0.1", port, kind=ProfileKind.CSV, login=None, user="", password=Secret(""), csv=csv
    )

    assert summary.mailboxes == 1
