"""How the governor learns a server's limits from refusals, and raises them again."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from muniment.errors import ServerBusy, ServerThrottled
from muniment.governor import ConnectionSlot, Timing
from tests.integration.governor.conftest import SERVER, Fleet, let_in, refuse

STUBBORN = Timing(patience=0.0, linger=0.0)
CURIOUS = replace(STUBBORN, cooling=0.0, longest_cooling=0.0)


async def test_an_unknown_server_gets_twice_what_it_has_borne(fleet: Fleet) -> None:
    """A server with a low limit refuses few: the first burst is small, and doubles with the accepted logins."""
    member = fleet.member(timing=STUBBORN)
    await let_in(member, 8)
    slots = [await member.enter(SERVER) for _ in range(8)]
    with pytest.raises(ServerBusy):
        await member.enter(SERVER)
    for slot in slots:
        slot.logged_in()
    await member._flush()

    await member.enter(SERVER)


async def test_refusals_teach_the_limit(fleet: Fleet) -> None:
    """If 5 are accepted and 3 refused at the same time, the limit is 5, and no mailbox is blamed for a refusal."""
    member = fleet.member(timing=STUBBORN)
    slots = [await member.enter(SERVER) for _ in range(8)]
    for slot in slots[:5]:
        slot.logged_in()
    await member._flush()
    errors = [await refuse(slot) for slot in slots[5:]]

    assert all(isinstance(error, ServerBusy) for error in errors)
    state = await fleet.state()
    assert (state.learned, state.limit, state.open) == (5, 5, 5)
    assert "BYE [LIMIT]" in state.reason
    with pytest.raises(ServerBusy, match="all 5 connections"):
        await member.enter(SERVER)


async def test_a_probe_that_is_let_in_raises_the_limit_and_a_refused_one_costs_time(fleet: Fleet) -> None:
    """One more connection is tried after a time, which doubles after each failure."""
    member = fleet.member(timing=CURIOUS)
    await let_in(member, 2)
    await refuse(await member.enter(SERVER))
    assert (await fleet.state()).learned == 2

    await let_in(member)
    assert (await fleet.state()).learned == 3
    probe = await member.enter(SERVER)
    with pytest.raises(ServerBusy):
        await member.enter(SERVER)  # one probe at a time
    await refuse(probe)
    assert (await fleet.state()).learned == 3


async def test_refused_probes_come_ever_more_seldom(fleet: Fleet) -> None:
    """The time until the next probe doubles up to its maximum."""
    timing = replace(STUBBORN, cooling=100.0, longest_cooling=300.0)
    member = fleet.member(timing=timing)
    await let_in(member, 2)
    await refuse(await member.enter(SERVER))
    seconds = [(await fleet.state()).probe_seconds]
    for _ in range(3):
        await fleet.client.hset("muniment:governor:mail.example.com:state", "probe_at", 0)
        await refuse(await member.enter(SERVER))
        seconds.append((await fleet.state()).probe_seconds)

    assert [round(s, -1) for s in seconds] == [100, 200, 300, 300]


async def test_a_server_that_is_down_teaches_no_limit(fleet: Fleet) -> None:
    """Refusals without a reason, while no login succeeds, are an outage, and the error stays unchanged."""
    member = fleet.member(timing=STUBBORN)
    slots = [await member.enter(SERVER) for _ in range(4)]

    assert [await refuse(slot, "connection refused", too_many=False) for slot in slots] == [None] * 4
    assert (await fleet.state()).learned is None


async def test_a_cut_while_others_are_let_in_is_a_limit(fleet: Fleet) -> None:
    """Some servers and firewalls refuse without a reason."""
    member = fleet.member(timing=STUBBORN)
    await let_in(member, 3)

    assert isinstance(await refuse(await member.enter(SERVER), "reset by peer", too_many=False), ServerBusy)
    assert (await fleet.state()).learned == 3


async def test_a_server_that_restarted_gets_back_what_it_had_borne(fleet: Fleet) -> None:
    """A closed connection while another still counts as logged in looks like a limit of 1; each probe doubles it."""
    member = fleet.member(timing=CURIOUS)
    slots = await let_in(member, 8)
    for slot in slots[1:]:
        slot.release(clean=True)
    await member._flush()
    await refuse(await member.enter(SERVER), "reset by peer", too_many=False)
    learned = [(await fleet.state()).learned]
    for _ in range(4):
        await let_in(member)
        learned.append((await fleet.state()).learned)

    assert learned == [1, 2, 4, 4, 8]


async def test_a_limit_that_the_server_named_is_approached_one_by_one(fleet: Fleet) -> None:
    """A count proven earlier is void once the server states a limit."""
    member = fleet.member(timing=CURIOUS)
    slots = await let_in(member, 8)
    for slot in slots[2:]:
        slot.release(clean=True)
    await member._flush()
    await refuse(await member.enter(SERVER))
    await let_in(member)

    assert (await fleet.state()).learned == 3


async def test_others_may_use_up_what_a_server_allows(fleet: Fleet) -> None:
    """If the server states a limit while we have no connection, the limit is 1, and the mailbox itself backs off."""
    member = fleet.member(timing=STUBBORN)

    assert await refuse(await member.enter(SERVER)) is None
    assert (await fleet.state()).learned == 1


async def throttled(slot: ConnectionSlot, seconds: float = 0.0) -> None:
    slot.report_throttling("NO [THROTTLED] slow down", too_many=False, seconds=seconds)


async def test_a_throttle_pauses_the_whole_fleet_and_halves_it(fleet: Fleet) -> None:
    """No process starts anything until the pause is over; several reports of the same throttling count once."""
    member, other = fleet.member(timing=STUBBORN), fleet.member(timing=STUBBORN)
    slots = await let_in(member, 8)
    for slot in slots:
        await throttled(slot)
    await member._flush()

    state = await fleet.state()
    assert state.learned == 4
    assert 0 < state.pause_seconds <= 5
    assert "slow down" in state.reason
    with pytest.raises(ServerBusy, match="pause") as caught:
        await other.enter(SERVER)
    assert caught.value.seconds > 0
    with pytest.raises(ServerBusy, match="pause"):
        await slots[0].spend(size=1)


async def test_a_named_pause_is_kept(fleet: Fleet) -> None:
    """Exchange states how long to back off."""
    member = fleet.member(timing=STUBBORN)
    [slot] = await let_in(member)
    await throttled(slot, 120.0)
    await member._flush()

    assert 115 < (await fleet.state()).pause_seconds <= 120


async def test_a_throttled_login_pauses_as_well(fleet: Fleet) -> None:
    """Throttling at login does not lower the connection limit; the job's own error is kept."""
    member = fleet.member(timing=STUBBORN)
    slot = await member.enter(SERVER)
    await throttled(slot)

    assert await slot.report_refusal(ServerThrottled("NO [THROTTLED] slow down")) is None
    await member._flush()
    assert (await fleet.state()).pause_seconds > 0


async def test_a_short_pause_is_sat_out(fleet: Fleet) -> None:
    """A process that waits in line gets its slot when the pause is over."""
    member = fleet.member(timing=Timing(pause=0.2, look=0.1))
    [slot] = await let_in(member)
    await throttled(slot)
    await member._flush()
    slot.release(clean=True)

    async with asyncio.timeout(60):
        await member.enter(SERVER)
    assert (await fleet.state()).pause_seconds == 0


async def test_a_server_that_becomes_slow_gets_a_quarter_less(fleet: Fleet) -> None:
    """Several responses in a row must be slow, compared with the recent best; then the limit is cut once per period."""
    member = fleet.member(timing=STUBBORN)
    slots = await let_in(member, 8)
    slots[0].report_latency(0.02)
    for _ in range(10):
        slots[0].report_latency(2.0)
    await member._flush()

    state = await fleet.state()
    assert state.learned == 6
    assert "takes 2.0 s" in state.reason


async def test_what_was_learned_never_lifts_a_configured_limit(fleet: Fleet) -> None:
    """The smaller of the two limits applies."""
    member = fleet.member(limit=3, timing=CURIOUS)
    await let_in(member, 3)
    with pytest.raises(ServerBusy):
        await member.enter(SERVER)

    assert (await fleet.state()).reason == "configured"
