"""Real servers whose STATUS does not tell of new mail: it is archived when its folder is due."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from muniment.demo.dovecot import Dovecot
from muniment.demo.mail import generate_mailbox
from muniment.model.run import RunState
from muniment.secrecy import Secret
from tests.support.dovecot import MASTER_PASSWORD, running_dovecot
from tests.support.harness import Harness
from tests.support.imap_script import MODERN_CAPABILITIES, PLAIN_CAPABILITIES, Mail
from tests.support.imap_server import ImapServer
from tests.support.scripted import TARGET, archive, mailbox, message, neighbourhood, proven, source

_COMPARED = "SELECT proven FROM folders WHERE path = '{Sent}'"


@pytest.fixture(scope="module")
def lazy_dovecot() -> Iterator[Dovecot]:
    """Run a Dovecot that answers STATUS of all folders but INBOX from its list index alone."""
    with running_dovecot(settings="mailbox_list_index_very_dirty_syncs = yes\n") as server:
        yield server


def _drop(root: Path, name: str, raw: bytes) -> None:
    """Deliver a message like a program that knows nothing of Dovecot's indexes."""
    partial = root / "tmp" / name
    partial.write_bytes(raw.replace(b"\r\n", b"\n"))
    owner = root.stat()
    os.chown(partial, owner.st_uid, owner.st_gid)
    partial.rename(root / "new" / name)


async def test_mail_that_another_program_delivered(
    harness: Harness, lazy_dovecot: Dovecot, new_address: Callable[[], str]
) -> None:
    """STATUS stands still, so the next run finds nothing; within the period, the message is archived."""
    address = new_address()
    lazy_dovecot.add_user(address, "unused")
    lazy_dovecot.load(address, generate_mailbox(11, 40))
    maildir = lazy_dovecot.maildir(address).folder(("Sent",))
    server = (lazy_dovecot.host, lazy_dovecot.port)
    await harness.submit("one", *server, mailboxes=[address], password=Secret(MASTER_PASSWORD))
    await harness.archive("one")
    await harness.archive("one")
    async with harness.database.session() as session:
        before = await session.value(_COMPARED)

    _drop(maildir, "1790000000.M1P1.elsewhere", message("delivered by another program"))
    unseen = await harness.archive("one")
    async with harness.database.session() as session:
        unchanged = await session.value(_COMPARED)
    await harness.let_pass(24)
    seen = await harness.archive("one")

    assert unseen.run.messages.archived == 0, "this server's STATUS tells of the message: the test proves nothing"
    assert before == unchanged
    assert (seen.run.state, seen.run.messages.archived) == (RunState.SUCCEEDED, 1)
    assert [hit.subject for hit in await harness.search('subject:"delivered by another program"')] == [
        "about delivered by another program"
    ]


async def test_scripted_server_with_a_frozen_status(harness: Harness) -> None:
    """The folder is found out when it is due, from then on opened by each run, and trusted again when STATUS moves."""
    script = neighbourhood(mailbox("target"), ())
    inbox = script.mailboxes[TARGET][b"INBOX"]
    async with ImapServer(script) as server:
        await archive(harness, server)
        inbox.odd_status = b'* STATUS "INBOX" (MESSAGES 6 UIDNEXT 7 UIDVALIDITY 1000 HIGHESTMODSEQ 1)'
        inbox.messages = [*inbox.messages, Mail(50, message("frozen"))]
        early = await harness.archive("all")
        await harness.let_pass(24)
        late = await harness.archive("all")
        inbox.messages = [*inbox.messages, Mail(51, message("frozen, too"))]
        known_liar = await harness.archive("all")
        inbox.odd_status = b""
        await harness.archive("all")
        lines = len(server.lines)
        await harness.archive("all")
        trusted = server.lines[lines:]

    assert [run.run.messages.archived for run in (early, late, known_liar)] == [0, 1, 1]
    assert source(script.mailboxes[TARGET]) == await harness.exported(TARGET)
    assert await proven(harness)
    assert not [line for line in trusted if line.startswith("UID SEARCH")]


@pytest.mark.parametrize("indexed", [range(1, 7), range(1, 8), ()], ids=["as many", "more", "none"])
@pytest.mark.parametrize("capabilities", [PLAIN_CAPABILITIES, MODERN_CAPABILITIES], ids=["plain", "modern"])
async def test_search_from_an_index_that_is_behind(harness: Harness, indexed: Sequence[int], capabilities: str) -> None:
    """A SEARCH that finds expunged messages, and not the new one: other answers tell of it, and it is archived."""
    script = neighbourhood(mailbox("target"), ())
    script.capabilities = capabilities
    inbox = script.mailboxes[TARGET][b"INBOX"]
    async with ImapServer(script) as server:
        await archive(harness, server)
        inbox.messages = [*inbox.messages[1:], Mail(20, message("new"))]
        inbox.highestmodseq += 1
        inbox.indexed = indexed
        await harness.let_pass(24)
        report = await harness.archive("all")

    assert report.run.messages.archived == 1
    async with harness.database.session() as session:
        assert await session.value("SELECT count(*) FROM entries WHERE uid = 20") == 1
