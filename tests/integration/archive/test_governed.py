"""Jobs and the governor: waiting for a slot and refusals that teach a limit do not count as failures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from muniment.errors import BrokerUnavailable, MunimentError, ServerBusy
from muniment.governor import ConnectionSlot, ServerState
from muniment.model.profile import Server
from muniment.services.archiving import run_slice
from muniment.services.archiving.run_slice import SliceEnd
from muniment.services.runs.lifecycle import start_run
from tests.support.harness import Harness
from tests.support.imap_script import Script
from tests.support.imap_server import ImapServer
from tests.support.principal import ADMIN
from tests.support.scripted import TARGET, mailbox, source, submit


class Closed:
    """A governor that grants no slots."""

    def __init__(self, error: MunimentError) -> None:
        self.error = error
        self.asked = 0

    async def enter(self, server: Server) -> ConnectionSlot:
        """Raise the reason."""
        self.asked += 1
        raise self.error

    async def look(self) -> list[ServerState]:
        """Return no information."""
        return []


@pytest.mark.parametrize("error", [ServerBusy("all 10 connections in use"), BrokerUnavailable("Redis is away")])
async def test_a_job_without_a_connection_is_handed_back_unharmed(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, error: MunimentError
) -> None:
    """A job without a slot is handed back with the reason and no failure counted; later everything is archived."""
    monkeypatch.setattr(run_slice, "BUSY_SECONDS", 0.0)
    target = mailbox("target")
    async with ImapServer(Script(mailboxes={TARGET: target})) as server:
        await submit(harness, server)
        governor = Closed(error)
        closed = Harness(replace(harness.resources, governor=governor), harness.folder)
        run_id = await start_run(ADMIN, closed.resources, "all")
        ends = [await closed.work() for _ in range(3)]
        assert server.max_connections == 0
        assert governor.asked == 3
        async with harness.database.session() as session:
            told = await session.values("SELECT (state, attempt, strikes, losses, error) FROM jobs")
        report = await harness.finish(run_id)

    assert ends == [[SliceEnd.POSTPONED]] * 3
    assert [row[1:] for row in told] == [(0, 0, 0, str(error))]
    assert not report.failures
    assert await harness.exported(TARGET) == source(target)
