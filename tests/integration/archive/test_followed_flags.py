"""Flags that a user sets with another client reach the archive and its index, with real servers."""

from __future__ import annotations

import imaplib
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from muniment.demo.dovecot import Dovecot
from muniment.demo.mail import GeneratedMessage
from muniment.model.run import RunState
from muniment.secrecy import Secret
from tests.support.cyrus import PROXY, PROXY_PASSWORD, Cyrus
from tests.support.dovecot import MASTER, MASTER_PASSWORD
from tests.support.harness import Harness, hashes
from tests.support.imap_script import MODERN_CAPABILITIES, PLAIN_CAPABILITIES, Fault
from tests.support.imap_script import Mail as ScriptedMail
from tests.support.imap_server import ImapServer
from tests.support.mailgen import append
from tests.support.scripted import TARGET, archive, mailbox, message, neighbourhood

_DATE = datetime(2024, 7, 17, 9, 44, 25, tzinfo=UTC)


@pytest.fixture(params=["dovecot", "cyrus"])
def server(request: pytest.FixtureRequest) -> Dovecot | Cyrus:
    """Each of the real servers."""
    found: Dovecot | Cyrus = request.getfixturevalue(request.param)
    return found


def _mark(server: Dovecot | Cyrus, address: str, *changes: tuple[str, str, str]) -> None:
    """Change flags like another client: (UID, operation, flags)."""
    with imaplib.IMAP4(server.host, server.port) as connection:
        connection.login(address, "secret")
        connection.select("INBOX")
        for change in changes:
            answer, data = connection.uid("STORE", *change)
            assert answer == "OK", data


async def test_flags_follow(harness: Harness, server: Dovecot | Cyrus, new_address: Callable[[], str]) -> None:
    """CONDSTORE tells of each change in the next run: the search finds what is unread and flagged now."""
    address = new_address()
    server.add_user(address, "secret")
    master = (MASTER, MASTER_PASSWORD) if isinstance(server, Dovecot) else (PROXY, PROXY_PASSWORD)
    contents = [message(f"{address} {number}") for number in range(1, 6)]
    with imaplib.IMAP4(server.host, server.port) as connection:
        connection.login(address, "secret")
        assert not append(connection, {("INBOX",): [GeneratedMessage(raw, (), _DATE) for raw in contents]})
    await harness.submit(
        "one",
        server.host,
        server.port,
        mailboxes=[address],
        user=master[0],
        password=Secret(master[1]),
        no_master_mailbox=True,
    )
    await harness.archive("one")
    unread = len(await harness.search("is:unread"))
    _mark(
        server, address, ("1,2", "+FLAGS", "(\\Seen)"), ("2", "+FLAGS", "(\\Flagged)"), ("3", "+FLAGS", "(\\Deleted)")
    )
    report = await harness.archive("one")

    assert (unread, len(await harness.search("is:unread"))) == (5, 3)
    assert [hit.subject for hit in await harness.search("is:flagged")] == [f"about {address} 2"]
    assert (report.run.state, report.run.messages.archived) == (RunState.SUCCEEDED, 0)
    async with harness.database.session() as session:
        assert await session.value("SELECT bool_or('\\Recent' = ANY (flags)) FROM entries") is False

    _mark(server, address, ("1,2", "-FLAGS", "(\\Seen \\Flagged)"))
    await harness.archive("one")

    assert len(await harness.search("is:unread")) == 5
    assert await harness.search("is:flagged") == []
    assert (await harness.exported(address))["INBOX",] == hashes(contents)


@pytest.mark.parametrize("capabilities", [PLAIN_CAPABILITIES, MODERN_CAPABILITIES], ids=["plain", "modern"])
async def test_one_command_for_each_folder(harness: Harness, capabilities: str) -> None:
    """A folder costs one FETCH of flags; a server that answers CHANGEDSINCE with all flags does no harm."""
    script = neighbourhood(mailbox("target"), ())
    script.capabilities = capabilities
    inbox = script.mailboxes[TARGET][b"INBOX"]
    async with ImapServer(script) as server:
        await archive(harness, server)
        inbox.messages = [ScriptedMail(m.uid, m.content, ("\\Seen",)) for m in inbox.messages]
        inbox.highestmodseq += 1
        await harness.let_pass(24)
        lines = len(server.lines)
        await harness.archive("all")

    asked = [line for line in server.lines[lines:] if "FLAGS" in line]
    how = " (CHANGEDSINCE 1)" if "CONDSTORE" in capabilities else ""
    assert asked == [f"UID FETCH 1:* (FLAGS){how}"] * 3
    assert len(await harness.search("-is:unread")) == 6


async def test_a_server_that_does_not_understand_changedsince(harness: Harness) -> None:
    """It offers CONDSTORE and answers BAD: all flags are compared."""
    script = neighbourhood(mailbox("target"), ())
    inbox = script.mailboxes[TARGET][b"INBOX"]
    script.faults.append(Fault("UID FETCH", "BAD what is that", containing="CHANGEDSINCE"))
    async with ImapServer(script) as server:
        await archive(harness, server)
        inbox.messages = [ScriptedMail(m.uid, m.content, ("\\Seen",)) for m in inbox.messages]
        inbox.highestmodseq += 1
        report = await harness.archive("all")

    assert report.run.state == RunState.SUCCEEDED
    assert len(await harness.search("-is:unread")) == 6
