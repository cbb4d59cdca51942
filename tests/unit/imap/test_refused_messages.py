from __future__ import annotations

import re

import pytest

from muniment.errors import CommandRefused, ServerThrottled, ServerUnavailable
from tests.support.imap_script import Fault
from tests.unit.imap.conftest import OpenSession
from tests.unit.imap.test_fetch import examine_only, fetched, folder_of, script_of


async def test_one_refused_message_stops_no_other(opened: OpenSession) -> None:
    """If the server refuses a set, the messages are fetched one by one, and only the bad one is missing."""
    folder = folder_of(b"one", b"two", b"three")
    folder.refused = {2}
    async with opened(script_of(folder)) as (session, server):
        found = await fetched(session, [1, 2, 3])

    assert found == {
        1: b"one",
        2: "the server refused to deliver it: NO [SERVERBUG] that one is broken",
        3: b"three",
    }
    assert len(server.sent("UID FETCH")) == 4


OUTAGES = ["NO [SERVERBUG] Internal error", "NO Please try again later", "BAD User is authenticated but not connected"]


@pytest.mark.parametrize("answer", OUTAGES)
@pytest.mark.parametrize("count", [1, 3])
async def test_an_outage_is_no_bad_message(opened: OpenSession, answer: str, count: int) -> None:
    """If the server refuses everything with the text of an outage, no message is refused: the call is worth a retry."""
    folder = folder_of(*[b"mail"] * count)
    folder.refused, folder.refusal = set(range(1, count + 1)), answer
    async with opened(script_of(folder)) as (session, _):
        with pytest.raises(ServerUnavailable, match=re.escape(answer)):
            await fetched(session, list(range(1, count + 1)))


async def test_an_outage_in_the_middle_of_a_set(opened: OpenSession) -> None:
    """Messages refused after the last delivered one are not bad messages if nothing else is delivered any more."""
    folder = folder_of(*[b"mail"] * 6)
    faults = [Fault("UID FETCH", OUTAGES[0], containing=f" {uids} ") for uids in ("1:6", "2", "4", "5", "6")] + [
        Fault("FETCH", OUTAGES[0])
    ]
    async with opened(script_of(folder, faults=faults)) as (session, _):
        await examine_only(session)
        messages = session.fetch(range(1, 7))
        came = [await anext(messages) for _ in range(3)]
        with pytest.raises(ServerUnavailable):
            await anext(messages)

    refused = f"the server refused to deliver it: {OUTAGES[0]}"
    assert [(message.uid, message.reason) for message in came] == [(1, ""), (2, refused), (3, "")]


@pytest.mark.parametrize("answer", [*OUTAGES, "NO cannot read it"])
@pytest.mark.parametrize("uids", [[2], [4], [2, 4]])
async def test_bad_messages_alone_in_a_set(opened: OpenSession, answer: str, uids: list[int]) -> None:
    """If only bad messages are requested, they are refused as such, provided that the server delivers others."""
    folder = folder_of(*[b"mail"] * 4)
    folder.refused, folder.refusal = {2, 4}, answer
    async with opened(script_of(folder)) as (session, _):
        found = await fetched(session, uids)

    assert found == dict.fromkeys(uids, f"the server refused to deliver it: {answer}")


async def test_a_set_of_which_nothing_comes(opened: OpenSession) -> None:
    """A server that refuses several messages and delivers no others refuses the command."""
    folder = folder_of(b"one", b"two")
    folder.refused, folder.refusal = {1, 2}, "NO not for you"
    async with opened(script_of(folder)) as (session, _):
        with pytest.raises(CommandRefused, match="not for you"):
            await fetched(session, [1, 2])


async def test_one_bad_message_in_a_folder(opened: OpenSession) -> None:
    """The only message of a folder may be bad: there is no other to compare with, and none is fetched."""
    folder = folder_of(b"one")
    folder.refused, folder.refusal = {1}, "NO cannot read it"
    async with opened(script_of(folder)) as (session, server):
        assert await fetched(session, [1]) == {1: "the server refused to deliver it: NO cannot read it"}

    assert server.sent("FETCH") == []


async def test_few_others_are_asked_for(opened: OpenSession) -> None:
    """To check whether a server works, one byte of at most five messages is fetched."""
    folder = folder_of(*[b"mail"] * 1000)
    folder.refused = set(range(1, 1001))
    async with opened(script_of(folder)) as (session, server):
        with pytest.raises(ServerUnavailable):
            await fetched(session, [7])

    expected = [f"FETCH {number} (UID BODY.PEEK[]<0.1>)" for number in (1, 250, 500, 750, 1000)]
    assert server.sent("FETCH") == expected


async def test_throttled_while_looking_for_others(opened: OpenSession) -> None:
    """A server that throttles at the last moment is obeyed."""
    folder = folder_of(b"one", b"two")
    folder.refused = {1}
    async with opened(script_of(folder, faults=[Fault("FETCH", "NO [LIMIT] later")])) as (session, _):
        with pytest.raises(ServerThrottled):
            await fetched(session, [1])


async def test_expunge_issued(opened: OpenSession) -> None:
    """A message that is refused because it was deleted has vanished, not failed."""
    faults = [Fault("UID FETCH", "NO [EXPUNGEISSUED] some are gone", containing=text) for text in ("1:2", " 2 ")]
    async with opened(script_of(folder_of(b"one", b"two"), faults=faults)) as (session, _):
        assert await fetched(session, [1, 2]) == {1: b"one"}


@pytest.mark.parametrize("containing", ["1:2", " 2 "])
async def test_throttled_messages_are_not_bad_messages(opened: OpenSession, containing: str) -> None:
    """A throttling server must not fill the quarantine."""
    folder = folder_of(b"one", b"two")
    folder.refused = {2}
    faults = [Fault("UID FETCH", "NO [LIMIT] come back later", containing=containing)]
    async with opened(script_of(folder, faults=faults)) as (session, _):
        with pytest.raises(ServerThrottled):
            await fetched(session, [1, 2])
