from __future__ import annotations

import tracemalloc
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.errors import MunimentError, ProtocolViolation
from muniment.imap import ImapSession
from muniment.imap.fetched import _split_flags, read_fetch
from muniment.imap.tokens import Part
from muniment.mailserver import Limits
from muniment.model.message import FetchedMessage, MemoryMessage
from tests.support.eventually import eventually
from tests.support.imap_script import Folder, HugeContent, Mail, ManyMails, Script
from tests.support.imap_server import ImapServer
from tests.unit.imap.conftest import ALICE, LOGIN, OpenSession, server_of

TRICKY = [
    b"",
    b"\r\n",
    b")\r\n* 2 FETCH (UID 2 BODY[] {3}\r\nxxx)\r\n",
    b"A1 OK done\r\n* BYE\r\n",
    bytes(range(256)),
    b"{10}\r\n" * 5,
    b"no line end {7}",
    b"x" * 20_000,
    b"y" * 20_001,
    b"bare\nlf\rcr\n",
]


def folder_of(*contents: bytes | HugeContent) -> Folder:
    """Return a folder with these messages; the first has UID 1."""
    return Folder([Mail(uid, content) for uid, content in enumerate(contents, 1)])


def script_of(folder: Folder, **changes: object) -> Script:
    """Return a script with one folder."""
    return replace(Script({ALICE: {b"INBOX": folder}}), **changes)  # type: ignore[arg-type]


async def examine_only(session: ImapSession) -> None:
    """Open the only folder."""
    (folder,) = await session.list_folders()
    await session.examine(folder)


async def fetched(session: ImapSession, uids: list[int]) -> dict[int, bytes | str]:
    """Return the bytes, or the reason for their absence, by UID in order of arrival."""
    await examine_only(session)
    found: dict[int, bytes | str] = {}
    async for message in session.fetch(uids):
        assert message.uid not in found
        found[message.uid] = read(message)
    return found


def read(message: FetchedMessage) -> bytes | str:
    """Return the content of a message and close it."""
    if message.raw is None:
        return message.reason
    data = b"".join(message.raw.chunks(4096))
    assert len(data) == message.raw.size
    message.raw.close()
    return data


@pytest.mark.parametrize("body_first", [False, True])
@pytest.mark.parametrize("unsorted", [False, True])
async def test_bytes_are_exact(opened: OpenSession, *, body_first: bool, unsorted: bool) -> None:
    """Every message arrives unchanged, whatever the order and form of the responses."""
    script = script_of(folder_of(*TRICKY), body_first=body_first, unsorted=unsorted)
    async with opened(script) as (session, server):
        found = await fetched(session, list(range(1, len(TRICKY) + 1)))

    assert found == dict(enumerate(TRICKY, 1))
    assert list(found) == sorted(found, reverse=unsorted)
    assert server.sent("UID FETCH") == [f"UID FETCH 1:{len(TRICKY)} (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])"]


async def test_flags_and_date(opened: OpenSession) -> None:
    """Flags and INTERNALDATE arrive with the message; an invalid date is None."""
    mails = [
        Mail(1, b"x", ("\\Seen", "$Forwarded", "Kürzel"), "17-Jul-2024 02:44:25 -0700"),
        Mail(2, b"x", (), "sometime"),
    ]
    async with opened(script_of(Folder(mails))) as (session, _):
        await examine_only(session)
        first, second = [m async for m in session.fetch([1, 2])]

    assert first.flags == ("\\Seen", "$Forwarded", "Kürzel")
    assert first.internal_date == datetime(2024, 7, 17, 2, 44, 25, tzinfo=timezone(timedelta(hours=-7)))
    assert (second.flags, second.internal_date) == ((), None)


@pytest.mark.parametrize("usual", [True, False])
async def test_flags_that_are_none(opened: OpenSession, *, usual: bool) -> None:
    """A flag with NUL or another control character is dropped; the other flags are kept."""
    flags = ("\\Seen", "nul\0", "tab\there", "c1\x85", "\x7f", "\v", "ümlaut", "\x1b[31m", "last")
    script = script_of(Folder([Mail(1, b"x", flags)]), body_first=not usual)
    async with opened(script) as (session, _):
        await examine_only(session)
        (message,) = [m async for m in session.fetch([1])]

    assert message.flags == ("\\Seen", "ümlaut", "last")


ITEMS: dict[str, bytes] = {
    "UID": b"UID 17",
    "FLAGS": b"FLAGS (\\Seen x)",
    "INTERNALDATE": b'INTERNALDATE "17-Jul-2024 02:44:25 -0700"',
    "SIZE": b"RFC822.SIZE 4",
    "BODY": b"BODY[] {4}\r\nmail",
    "MODSEQ": b"MODSEQ (624140003)",
}


@given(st.permutations(sorted(ITEMS)), st.booleans())
def test_the_order_of_items_does_not_matter(order: list[str], lower: bool) -> None:
    """The fast path for the usual form and the general path give the same result."""
    usual: list[Part] = [
        b'* 1 FETCH (UID 17 FLAGS (\\Seen x) INTERNALDATE "17-Jul-2024 02:44:25 -0700" RFC822.SIZE 4 BODY[] ',
        MemoryMessage(b"mail"),
        b")",
    ]
    before, _, after = (b"* 1 FETCH (" + b" ".join(ITEMS[name] for name in order) + b")").partition(b"{4}\r\nmail")
    other: list[Part] = [before.replace(b"UID", b"uid") if lower else before, usual[1], after]

    assert read_fetch(other) == read_fetch(usual)


async def test_unsolicited_answers_are_ignored(opened: OpenSession) -> None:
    """Unsolicited flags, counts and messages are ignored, and no message is delivered twice."""
    noise = (
        b"* 9 EXISTS\r\n* 1 EXPUNGE\r\n* 1 FETCH (FLAGS (\\Seen))\r\n* 1 FETCH (UID 2 FLAGS (\\Seen))\r\n"
        b"* 7 FETCH (UID 99 BODY[] {5}\r\nalien)\r\n* 1 FETCH (UID 1 BODY[] {3}\r\none)\r\n"
        b"* OK [ALERT] disk is getting full\r\n* VANISHED 5\r\n* XSOMETHING (new)\r\n"
        b"* 7 FETCH (UID 98 BODY[] {30000}\r\n" + b"s" * 30_000 + b")\r\n"
    )
    async with opened(script_of(folder_of(b"one", b"two"), unsolicited=noise)) as (session, _):
        assert await fetched(session, [1, 2]) == {1: b"one", 2: b"two"}


async def test_vanished_messages_do_not_come(opened: OpenSession) -> None:
    """A message that was deleted after the SEARCH is omitted without an error."""
    folder = folder_of(b"one", b"two", b"three")
    folder.vanished = {2}
    async with opened(script_of(folder)) as (session, _):
        assert await fetched(session, [1, 2, 3, 50]) == {1: b"one", 3: b"three"}


async def test_messages_without_usable_bytes(opened: OpenSession) -> None:
    """NIL, missing content and oversized messages are reported with the reason; the rest arrives."""
    folder = folder_of(b"one", b"", b"three", HugeContent(500_001), HugeContent(500_000))
    folder.nil_bodies = {1}
    folder.claimed_sizes = {2: 77, 3: 1, 4: 5}
    async with opened(script_of(folder)) as (session, _):
        found = await fetched(session, [1, 2, 3, 4, 5])

    assert found[1] == "the server sent no content (NIL) for this message"
    assert found[2] == "the server sent 0 of the 77 bytes of this message"
    assert found[3] == b"three"
    assert found[4] == "the message has 500001 bytes, more than the 500000 allowed"
    assert found[5] == b"".join(HugeContent(500_000).chunks())


async def test_a_quoted_body(opened: OpenSession) -> None:
    """A short message may arrive as a quoted string."""
    noise = b'* 1 FETCH (UID 1 BODY[] "say \\"hi\\"")\r\n'
    async with opened(script_of(folder_of(b"never sent twice"), unsolicited=noise)) as (session, _):
        assert await fetched(session, [1]) == {1: b'say "hi"'}


async def test_nothing_wanted_nothing_sent(opened: OpenSession) -> None:
    """No UIDs cause no command."""
    async with opened(script_of(folder_of(b"one"))) as (session, server):
        assert await fetched(session, []) == {}

    assert server.sent("UID FETCH") == []


async def test_sparse_uids_in_several_commands(opened: OpenSession) -> None:
    """A set that is too long for one line is split, and every message still arrives once."""
    folder = Folder(ManyMails(3000, size=60, step=1_000_003))
    uids = [mail.uid for mail in folder.messages]
    async with opened(script_of(folder)) as (session, server):
        assert list(await fetched(session, uids)) == uids

    assert len(server.sent("UID FETCH")) > 1
    assert max(map(len, server.sent("UID FETCH"))) < 7900


async def test_memory_stays_flat(limits: Limits) -> None:
    """Neither a message of 60 MB nor 10,000 small ones with a slow consumer fill the memory."""
    folder = Folder([Mail(1, HugeContent(60_000_000)), *(Mail(m.uid + 1, m.content) for m in ManyMails(10_000))])
    generous = replace(limits, max_message_bytes=100_000_000)
    async with ImapServer(script_of(folder)) as server:
        session = await ImapSession.open(server_of(server), LOGIN, generous)
        await examine_only(session)
        tracemalloc.start()
        try:
            total = 0
            async for message in session.fetch(range(1, 10_002)):
                assert message.raw is not None
                total += sum(map(len, message.raw.chunks(65_536)))
                message.raw.close()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        await session.logout()

    assert total == 60_000_000 + 10_000 * 200
    assert peak < 12_000_000


async def test_reading_pauses_for_a_slow_consumer(opened: OpenSession) -> None:
    """While the consumer is busy, reading pauses; that time does not count as the server's silence."""
    folder = folder_of(*[HugeContent(15_000)] * 400)
    async with opened(script_of(folder)) as (session, _):
        await examine_only(session)
        protocol = session._protocol
        async with aclosing(session.fetch(range(1, 401))) as messages:
            first = await anext(messages)
            await eventually(lambda: protocol._paused, "reading paused")
            protocol._patience.progress(protocol.loop.time() - 1000)  # a consumer that took a thousand seconds
            protocol._check_clock()
            rest = [message async for message in messages]

    assert len({m.uid for m in [first, *rest]}) == 400


async def test_flags_that_fill_the_memory(opened: OpenSession) -> None:
    """Messages that consist only of flags cause back-pressure according to their size."""
    flags = tuple(f"flag-number-{n}" for n in range(1000))
    async with opened(script_of(Folder([Mail(uid, b"x", flags) for uid in range(1, 151)]))) as (session, _):
        await examine_only(session)
        async with aclosing(session.fetch(range(1, 151))) as messages:
            first = await anext(messages)
            await eventually(lambda: session._protocol._paused, "reading paused")
            rest = [message async for message in messages]

    assert {m.flags for m in [first, *rest]} == {flags}
    assert len(rest) == 149


def test_many_flags_are_read_and_not_remembered() -> None:
    """A kilobyte of flags is cached for the next message; longer lists are not cached, and absurd ones are refused."""

    def flags_of(count: int) -> tuple[str, ...]:
        flags = b" ".join(b"%05d" % n for n in range(count))
        fetched = read_fetch([start + flags + end, MemoryMessage(b"mail"), b")"])
        assert fetched is not None
        assert fetched.flags is not None
        return fetched.flags

    start, end = b"* 1 FETCH (UID 17 FLAGS (", b') INTERNALDATE "" RFC822.SIZE 4 BODY[] '
    remembered = _split_flags.cache_info().currsize

    assert flags_of(200) == tuple(f"{n:05}" for n in range(200))
    assert flags_of(199) == tuple(f"{n:05}" for n in range(199))
    assert _split_flags.cache_info().currsize <= remembered + 1
    with pytest.raises(ProtocolViolation):
        flags_of(300_000)


async def test_leaving_early_ends_the_connection(opened: OpenSession) -> None:
    """Exiting the iterator early leaves no partial responses and no open file."""
    folder = folder_of(*[HugeContent(300_000)] * 50)
    async with opened(script_of(folder)) as (session, server):
        await examine_only(session)
        async with aclosing(session.fetch(range(1, 51))) as messages:
            message = await anext(messages)
            assert message.raw is not None
            message.raw.close()
        with pytest.raises(MunimentError, match="Muniment dropped the connection"):
            await session.search_uids()
        await eventually(lambda: server.connections == 0, "the server lost its client")


async def test_one_call_at_a_time(opened: OpenSession) -> None:
    """Another call during a fetch is refused without hanging; the fetch continues."""
    folder = folder_of(*[HugeContent(15_000)] * 100)
    async with opened(script_of(folder)) as (session, _):
        await examine_only(session)
        async with aclosing(session.fetch(range(1, 101))) as messages:
            await anext(messages)
            with pytest.raises(MunimentError, match="UID FETCH"):
                await session.search_uids()
            assert len([message async for message in messages]) == 99
