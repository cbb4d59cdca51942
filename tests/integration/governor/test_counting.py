"""How slots are counted: never more than the limit, in order of the requests, whatever process dies."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from muniment.errors import BrokerUnavailable, ServerBusy
from muniment.governor import ConnectionSlot, Timing
from muniment.model.profile import Access, Server
from muniment.model.server_limits import ServerLimits
from tests.integration.governor.conftest import SERVER, Fleet, die, let_in
from tests.support.services import redis_url, valkey_server
from tests.support.waiting import wait_until_async

IMPATIENT = Timing(patience=0.05)
#: Slots of a dead process run out soon, but not before a test has seen them. Nobody renews them.
MORTAL = Timing(slot=2.0, heartbeat=60.0, look=0.1)


async def test_the_limit_holds_over_all_processes(fleet: Fleet) -> None:
    """Whichever process asks, the sixth of five connections is refused until one is closed."""
    first, second = fleet.member(limit=5), fleet.member(limit=5, timing=IMPATIENT)
    slots = await let_in(first, 3) + await let_in(second, 2)

    with pytest.raises(ServerBusy):
        await second.enter(SERVER)

    slots[0].release(clean=True)
    await fleet.until(open=4)
    await second.enter(SERVER)
    assert (await fleet.state()).open == 5


async def test_many_at_once_are_never_more_than_the_limit(fleet: Fleet) -> None:
    """200 connections of four processes share three slots: each gets its turn, and there are never four."""
    members = [fleet.member(limit=3) for _ in range(4)]
    held, most = 0, 0

    async def connect(number: int) -> None:
        nonlocal held, most
        slot = await members[number % 4].enter(SERVER)
        held += 1
        most = max(most, held)
        await asyncio.sleep(0)
        held -= 1
        slot.release(clean=True)

    await asyncio.gather(*(connect(number) for number in range(200)))

    assert 2 <= most <= 3  # the number of simultaneous ones depends on the machine
    await fleet.until(open=0, waiting=0)


async def test_first_come_first_served(fleet: Fleet) -> None:
    """Slots are granted in order of the first request, across all processes."""
    members = fleet.member(limit=1), fleet.member(limit=1)
    [held] = await let_in(members[0])
    served: list[int] = []

    async def wait(number: int) -> None:
        slot = await members[number % 2].enter(SERVER)
        served.append(number)
        slot.release(clean=True)

    waiting = []
    for number in range(6):
        waiting.append(asyncio.create_task(wait(number)))
        await fleet.until(waiting=number + 1)
    held.release(clean=True)
    await asyncio.gather(*waiting)

    assert served == list(range(6))


async def test_who_leaves_the_line_holds_nobody_up(fleet: Fleet) -> None:
    """A cancelled request (the worker stops) and one that timed out leave no ticket behind."""
    first, second = fleet.member(limit=1), fleet.member(limit=1, timing=IMPATIENT)
    await let_in(first)
    asking = asyncio.create_task(first.enter(SERVER))
    await fleet.until(waiting=1)
    asking.cancel()
    await asyncio.wait({asking})
    await fleet.until(waiting=0)
    with pytest.raises(ServerBusy):
        await second.enter(SERVER)

    await fleet.until(waiting=0, open=1)


async def test_slots_and_tickets_of_the_dead_run_out(fleet: Fleet) -> None:
    """A killed process neither keeps its connections nor its place in line."""
    timing = replace(MORTAL, ticket=1.0)
    dead, alive = fleet.member(limit=1, timing=timing), fleet.member(limit=1, timing=timing)
    await let_in(dead)
    asking = asyncio.create_task(dead.enter(SERVER))
    await fleet.until(waiting=1)
    await die(dead)
    asking.cancel()

    await alive.enter(SERVER)


async def test_slots_live_as_long_as_their_process(fleet: Fleet) -> None:
    """The heartbeat renews slots that would have expired."""
    keeper = fleet.member(limit=1, timing=Timing(slot=2.0, heartbeat=0.1))
    await let_in(keeper)
    [(slot, runs_out)] = await fleet.client.zrange("muniment:governor:mail.example.com:open", 0, -1, withscores=True)

    async def renewed() -> bool:
        later: float = await fleet.client.zscore("muniment:governor:mail.example.com:open", slot)
        return bool(later > runs_out)

    await wait_until_async(renewed, "a renewed slot")


async def test_a_dropped_connection_counts_on_for_a_moment(fleet: Fleet) -> None:
    """After a drop, the server may still count the connection; after a clean close, it does not."""
    member = fleet.member(limit=2, timing=Timing(linger=60.0))
    first, second = await let_in(member, 2)
    first.release(clean=True)
    second.release(clean=False)
    await fleet.until(open=1)


async def test_a_redis_without_memory_grants_nothing_until_all_are_counted(fleet: Fleet) -> None:
    """Emptied Redis: live connections are counted again before new ones are granted."""
    timing = Timing(heartbeat=0.1, quiet=2.0, look=0.1)  # time enough to be seen
    one, other = fleet.member(limit=2, timing=timing), fleet.member(limit=2, timing=timing)
    await let_in(one, 2)
    fleet.is_first = False
    await fleet.client.flushall()

    asking = asyncio.create_task(other.enter(SERVER))
    await fleet.until(open=2, quiet=True)
    state = await fleet.until(quiet=False)

    assert state.open == 2
    assert not asking.done()
    asking.cancel()


async def test_a_newcomer_to_an_emptied_redis_waits_as_well(fleet: Fleet) -> None:
    """A process that never saw the old Redis learns from PostgreSQL that there was an earlier count."""
    fleet.is_first = False
    member = fleet.member(limit=2, timing=Timing(patience=0.05))

    with pytest.raises(ServerBusy, match="being recounted"):
        await member.enter(SERVER)


async def test_a_new_installation_waits_for_nothing(fleet: Fleet) -> None:
    """If nothing was ever counted, nothing was lost."""
    await fleet.member(limit=2, timing=Timing(patience=0.0)).enter(SERVER)

    assert not (await fleet.state()).quiet


async def test_after_redis_was_away_slots_that_ran_out_are_waited_for(fleet: Fleet) -> None:
    """During the outage no process could renew its slots, so their connections may still be open."""
    timing = Timing(slot=0.2, heartbeat=0.1, patience=0.0)
    absent = fleet.member(limit=1, timing=timing)
    await let_in(absent)
    await die(absent)
    await asyncio.sleep(0.5)  # the condition under test: time without contact

    with pytest.raises(ServerBusy, match="being recounted"):
        await fleet.member(limit=1, timing=timing).enter(SERVER)


async def test_without_redis_no_connection_is_opened_and_none_is_ended(fleet: Fleet) -> None:
    """Fails safe: open sessions continue, at the allowed rate."""
    with valkey_server() as server:
        fleet.url = redis_url(server)
        member = fleet.member(limit=2, bytes_per_second=1000.0)
        [slot] = await let_in(member)
    assert 1.9 < await member.reserve(slot, 0, 2000) < 2.1
    await slot.spend(commands=1)

    with pytest.raises(BrokerUnavailable):
        await member.enter(SERVER)
    slot.release(clean=True)


async def test_a_server_has_one_limit_by_whatever_port_and_spelling(fleet: Fleet) -> None:
    """Ports 993 and 143 are one server, another port is another; a server's own limit overrides the default."""
    fleet.limits["mail.example.com"] = ServerLimits(connections=1)
    member = fleet.member(limit=5, timing=IMPATIENT)
    await member.enter(SERVER)
    with pytest.raises(ServerBusy):
        await member.enter(Server("Mail.Example.COM", 143, Access.IMAP))
    await member.enter(Server("mail.example.com", 1143, Access.IMAP))

    assert [(s.server, s.open, s.limit) for s in await member.look()] == [
        ("mail.example.com", 1, 1),
        ("mail.example.com:1143", 1, 5),
    ]


async def test_rates_are_shared(fleet: Fleet) -> None:
    """One second's worth is free; whatever exceeds it must be waited for, by whichever process comes next."""
    members = [fleet.member(bytes_per_second=1000.0, commands_per_second=10.0) for _ in range(2)]
    first, second = (await let_in(members[0]))[0], (await let_in(members[1]))[0]

    waits = [
        await members[0].reserve(first, 0, 1000),
        await members[1].reserve(second, 0, 4000),
        await members[0].reserve(first, 0, 1000),
    ]

    assert waits[0] == 0
    assert 3.5 < waits[1] <= 4.0
    assert 4.4 < waits[2] <= 5.0
    assert await members[0].reserve(first, 5, 0) == 0  # commands are counted separately


async def test_closing_gives_everything_back(fleet: Fleet) -> None:
    """A stopped process leaves no slot behind for longer than a dropped connection counts."""
    watcher, member = fleet.member(), fleet.member(limit=3, timing=Timing(linger=0.0))
    slots: list[ConnectionSlot] = await let_in(member, 3)
    assert (await watcher.look())[0].open == len(slots)
    await member.close()

    assert (await watcher.look())[0].open == 0
