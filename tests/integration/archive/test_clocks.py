"""Jumps of the database's clock: a run does not decide by timestamps what to archive."""

from __future__ import annotations

import pytest

from muniment.model.run import RunState
from tests.support.harness import Harness
from tests.support.imap_script import Mail
from tests.support.imap_server import ImapServer
from tests.support.scripted import TARGET, archive, mailbox, message, neighbourhood, proven, source


@pytest.mark.parametrize("shift", ["1 hour", "-1 hour"])
async def test_clock_that_jumps_between_two_runs_hides_no_news(harness: Harness, shift: str) -> None:
    """After a fail-over to a server whose clock is an hour behind or ahead, the next run archives the new messages."""
    script = neighbourhood(mailbox("target"))
    async with ImapServer(script) as server:
        await archive(harness, server)
        async with harness.database.session() as session:
            await session.execute("UPDATE folders SET proven = proven + $1::text::interval", shift)
        inbox = script.mailboxes[TARGET][b"INBOX"]
        inbox.messages = [*inbox.messages, Mail(1000, message("news"))]
        report = await harness.archive("all")

    assert report.run.state is RunState.SUCCEEDED
    assert report.run.messages.archived == 1
    assert await proven(harness)
    assert source(script.mailboxes[TARGET]) == await harness.exported(TARGET)
