"""Archiving under a governor: limits hold, and a busy server or an absent Redis is nobody's fault."""

from __future__ import annotations

from muniment.governor import MemoryGovernor
from muniment.model.profile import Access, Server
from muniment.model.run import RunState
from muniment.model.server_limits import ServerLimits
from muniment.services.archiving.run_slice import SliceEnd
from tests.support.memory_mail import ANNA, BEN, MemoryWorld, contents, mailbox

SERVER = "mail.example.com"


def _governed(
    world: MemoryWorld, connections: int | None, *, patience: float = 30.0
) -> tuple[MemoryWorld, MemoryGovernor]:
    world.mail.mailboxes |= {BEN: mailbox("ben"), "carla@example.com": mailbox("carla")}
    governor = MemoryGovernor({SERVER: ServerLimits(connections)}, patience=patience)
    return world.with_resources(governor=governor), governor


async def test_no_more_connections_than_allowed(world: MemoryWorld) -> None:
    """Three jobs at once share one connection, one after the other; no slot stays behind."""
    governed, governor = _governed(world, 1)
    report = await governed.archive(max_jobs=3)

    assert report.run.state == RunState.SUCCEEDED
    assert governor.most[SERVER] == world.mail.most_sessions == 1
    assert [state.open for state in await governor.look()] == [0]
    for address in (ANNA, BEN, "carla@example.com"):
        assert await world.exported(address) == contents(world.mail.mailboxes[address])


async def test_a_job_without_a_slot_waits(world: MemoryWorld) -> None:
    """It is postponed, and that counts as no failure of its mailbox."""
    governed, governor = _governed(world, 0, patience=0.0)
    await governed.start(max_jobs=1)
    ends = await governed.harness.work()

    assert ends == [SliceEnd.POSTPONED]
    assert await world.value("SELECT max(attempt) FROM jobs") == 0
    assert world.mail.logins == []
    assert governor.most[SERVER] == 0


async def test_redis_is_away(world: MemoryWorld) -> None:
    """Nobody can say whether a connection is allowed: the job waits, and counts no failure."""
    governed, governor = _governed(world, 1)
    governor.is_away = True
    await governed.start(max_jobs=1)
    ends = await governed.harness.work()

    assert ends == [SliceEnd.POSTPONED]
    assert await world.value("SELECT max(attempt) FROM jobs") == 0


async def test_a_limit_that_the_server_has(world: MemoryWorld) -> None:
    """A refusal while others are connected shows the limit: the governor learns it, and no mailbox fails."""
    governed, governor = _governed(world, None)
    world.mail.allows = 1
    held = await governor.enter(Server(SERVER, 143, Access.IMAP))
    world.mail.sessions = 1
    await governed.start(max_jobs=1)
    ends = await governed.harness.work()
    held.release(clean=True)

    assert ends == [SliceEnd.POSTPONED]
    assert [state.limit for state in await governor.look()] == [1]
    assert await world.value("SELECT max(attempt) FROM jobs") == 0
