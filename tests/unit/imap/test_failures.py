from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muniment.errors import MunimentError, ProtocolViolation, ServerThrottled, ServerUnavailable
from muniment.imap import ImapSession
from muniment.mailserver import Limits
from muniment.model.folder import ServerFolder
from muniment.model.profile import Access, Server
from tests.support.eventually import eventually
from tests.support.imap_script import Fault, Folder, HugeContent, Mail, Script
from tests.support.imap_server import ImapServer
from tests.support.leaping import in_leaping_time
from tests.support.raw_server import raw_server
from tests.unit.imap.conftest import ALICE, LOGIN, server_of

INBOX = ServerFolder(b"INBOX", ("INBOX",), frozenset(), None)


async def fetch_all(session: ImapSession, came: list[int] | None = None) -> None:
    """Fetch the three messages and append the UIDs of those that arrive to `came`."""
    async for message in session.fetch([1, 2, 3]):
        if came is not None:
            came.append(message.uid)
        if message.raw is not None:
            message.raw.close()


CALLS: dict[str, Callable[[ImapSession], Coroutine[Any, Any, object]]] = {
    "LIST": lambda s: s.list_folders(),
    "EXAMINE": lambda s: s.examine(INBOX),
    "UID SEARCH": lambda s: s.search_uids(),
    "UID FETCH": fetch_all,
    "FETCH": lambda s: s.oldest_messages(),
}
FAULTS: dict[str, tuple[Fault, type[MunimentError]]] = {
    "hang": (Fault("", hang=True), ServerUnavailable),
    "hang up": (Fault("", close=True), ServerUnavailable),
    "BYE": (Fault("", "* BYE maintenance"), ServerUnavailable),
    "BYE, throttled": (Fault("", "* BYE [THROTTLED] too much"), ServerThrottled),
    "NO, throttled": (Fault("", "NO [THROTTLED] too much"), ServerThrottled),
    "NO, over quota": (Fault("", "NO [OVERQUOTA] Account exceeded command or bandwidth limits"), ServerThrottled),
    "garbage": (Fault("", raw=b"\x00\xff garbage\r\n"), ProtocolViolation),
    "wrong tag": (Fault("", raw=b"ZZZZ99 OK done\r\n"), ProtocolViolation),
    "endless line": (Fault("", raw=b"* " + b"x" * 17_000_000), ProtocolViolation),
    "broken literal": (Fault("", raw=b"* LIST () NIL {99999999999}\r\n"), ProtocolViolation),
    "cut": (Fault("", cut_after=20), ServerUnavailable),
}


def script_of(*faults: Fault) -> Script:
    """Return a script with three messages, one of which is large."""
    mails = [Mail(1, b"one"), Mail(2, HugeContent(100_000)), Mail(3, b"three")]
    return Script({ALICE: {b"INBOX": Folder(mails)}}, faults=list(faults))


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("command", CALLS)
def test_every_failure_at_every_command(limits: Limits, command: str, fault: str) -> None:
    """Whatever goes wrong at whatever moment, the call ends in the right error, names the server, and never hangs."""
    what, ours = FAULTS[fault]
    strike = Fault(command, what.reply, what.raw, what.hang, what.close, what.cut_after)

    async def call() -> None:
        async with ImapServer(script_of(strike)) as server:
            session = await ImapSession.open(server_of(server, timeout_seconds=20), LOGIN, limits)
            if command != "EXAMINE":
                await session.examine(INBOX)
            with pytest.raises(MunimentError) as caught:
                await CALLS[command](session)
            assert type(caught.value) is ours
            assert f"127.0.0.1:{server.port}" in str(caught.value)
            await session.logout()
            with pytest.raises(MunimentError):
                await session.list_folders()

    run = in_leaping_time if what.hang else asyncio.run
    run(call())


def test_silence_says_what_was_asked(limits: Limits) -> None:
    """A timeout names the command that was not answered, and for how long."""

    async def search() -> None:
        async with ImapServer(script_of(Fault("UID SEARCH", hang=True))) as server:
            session = await ImapSession.open(server_of(server, timeout_seconds=60), LOGIN, limits)
            await session.examine(INBOX)
            with pytest.raises(ServerUnavailable, match=r"did not respond for 60 s while answering UID SEARCH"):
                await session.search_uids()
            await session.logout()

    in_leaping_time(search())


@pytest.mark.parametrize("cut_after", [60, 100, 50_000, 100_300])
async def test_a_connection_cut_in_mid_message(limits: Limits, cut_after: int) -> None:
    """Complete messages arrive, the rest is an error, and no file stays open."""
    descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    async with ImapServer(script_of(Fault("UID FETCH", cut_after=cut_after))) as server:
        session = await ImapSession.open(server_of(server), LOGIN, limits)
        await session.examine(INBOX)
        came: list[int] = []
        with pytest.raises(ServerUnavailable, match="answering UID FETCH"):
            await fetch_all(session, came)
        await session.logout()

    assert came == [uid for uid, end in ((1, 100), (2, 100_300)) if cut_after >= end]
    await eventually(lambda: len(os.listdir("/proc/self/fd")) <= descriptors, "all descriptors closed")  # noqa: PTH208


ENDINGS: dict[str, bytes] = {
    "hang up": b"",
    "in mid-literal": b"* 4 FETCH (UID 4 BODY[] {50}\r\nhalf of",
    "BYE": b"* BYE maintenance\r\n",
    "garbage": b"\xff\0 garbage\r\n",
    "not IMAP data": b"* 4 FETCH (UID 4 (\r\n",
    "wrong tag": b"ZZZ99 OK done\r\n",
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("at_once", [True, False])
async def test_what_was_complete_before_the_end_comes_first(limits: Limits, ending: str, *, at_once: bool) -> None:
    """Messages queued for a slow consumer are delivered although the connection is closed, followed by the error."""
    answer = b"".join(b"* %d FETCH (UID %d FLAGS () BODY[] {4}\r\nmail)\r\n" % (n, n) for n in (1, 2, 3))

    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK [CAPABILITY IMAP4rev1] hello\r\n")
        for rest in (b" OK [CAPABILITY IMAP4rev1] in\r\n", b" OK [READ-ONLY] open\r\n"):
            writer.write((await reader.readuntil(b"\r\n")).split()[0] + rest)
        await reader.readuntil(b"\r\n")
        writer.write(answer)
        if not at_once:
            await taken.wait()
        writer.write(ENDINGS[ending])
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    taken = asyncio.Event()
    async with raw_server(break_off) as port:
        session = await ImapSession.open(Server("127.0.0.1", port, Access.IMAP), LOGIN, limits)
        await session.examine(INBOX)
        messages = session.fetch([1, 2, 3, 4])
        came = [await anext(messages)]
        taken.set()
        await asyncio.wait_for(session._protocol.wait_closed(), 10)
        came += [await anext(messages), await anext(messages)]
        with pytest.raises(MunimentError, match="UID FETCH"):
            await anext(messages)

    assert [message.uid for message in came] == [1, 2, 3]
    assert all(message.raw is not None and message.raw.head(9) == b"mail" for message in came)


def test_bytes_that_trickle_are_not_silence(limits: Limits) -> None:
    """The timeout counts silence: a slow server that keeps sending may take longer."""
    pieces = 6

    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK [CAPABILITY IMAP4rev1] hello\r\n")
        tag = (await reader.readuntil(b"\r\n")).split()[0]
        for _ in range(pieces):
            await asyncio.sleep(20)  # this is what it is about
            writer.write(b"* OK one moment\r\n")
        writer.write(tag + b" OK [CAPABILITY IMAP4rev1] in\r\n")
        await reader.read()

    async def log_in() -> None:
        async with raw_server(trickle) as port:
            server = Server("127.0.0.1", port, Access.IMAP, timeout_seconds=100.0)
            session = await ImapSession.open(server, LOGIN, limits)
            session.abort()

    in_leaping_time(log_in())


@pytest.mark.parametrize("command", CALLS)
async def test_cancelling_leaves_nothing_running(limits: Limits, command: str) -> None:
    """A cancelled call leaves no connection and no task."""
    async with ImapServer(script_of(Fault(command, hang=True))) as server:
        session = await ImapSession.open(server_of(server), LOGIN, limits)
        if command != "EXAMINE":
            await session.examine(INBOX)
        before = asyncio.all_tasks()
        call = asyncio.create_task(CALLS[command](session))
        await eventually(lambda: server.sent(command), "the command arrived")
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert asyncio.all_tasks() <= before
        with pytest.raises(ServerUnavailable, match="Muniment dropped the connection"):
            await session.list_folders()
        await eventually(lambda: server.connections == 0, "the server lost its client")


@pytest.mark.parametrize("command", ["GREETING", "CAPABILITY", "LOGIN"])
async def test_cancelling_while_logging_in(limits: Limits, command: str) -> None:
    """A cancelled login leaves no connection."""
    async with ImapServer(script_of(Fault(command, hang=True))) as server:
        call = asyncio.create_task(ImapSession.open(server_of(server), LOGIN, limits))
        await eventually(lambda: server.connections and (command == "GREETING" or server.sent(command)), "it began")
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await eventually(lambda: server.connections == 0, "the server lost its client")


async def test_abort_from_outside(limits: Limits) -> None:
    """Dropping the connection fails the pending call."""
    async with ImapServer(script_of(Fault("UID FETCH", hang=True))) as server:
        session = await ImapSession.open(server_of(server), LOGIN, limits)
        await session.examine(INBOX)
        call = asyncio.create_task(fetch_all(session))
        await eventually(lambda: server.sent("UID FETCH"), "the command arrived")
        session.abort()
        with pytest.raises(ServerUnavailable, match="Muniment dropped the connection"):
            await call


@pytest.mark.parametrize("fault", [Fault("LOGOUT"), Fault("UID SEARCH", close=True)], ids=["polite", "broken"])
async def test_logout_never_raises(limits: Limits, fault: Fault) -> None:
    """Logging out works on an open connection, on a broken one, and twice."""
    async with ImapServer(script_of(fault)) as server:
        session = await ImapSession.open(server_of(server), LOGIN, limits)
        await session.examine(INBOX)
        if fault.close:
            with pytest.raises(ServerUnavailable):
                await session.search_uids()
        await session.logout()
        await session.logout()
        await eventually(lambda: server.connections == 0, "the server lost its client")


FRAGMENTS = st.sampled_from(
    [
        b"* ", b"\r\n", b"{", b"}", b"{3}\r\n", b"(", b")", b'"', b"\\", b"NIL", b" ", b"TAG OK\r\n", b"TAG NO x\r\n",
        b"* 1 FETCH (UID 1 BODY[] ", b"* LIST () NIL ", b"* SEARCH 1 2", b"* STATUS a (", b"* 3 EXISTS\r\n", b"+ \r\n",
        b"* OK [UIDVALIDITY 5", b"* ESEARCH UID ALL 1:3", b"* BYE\r\n", b"BODY[]", b"{99999}\r\n", b"* CAPABILITY ",
        b"TAG OK [CAPABILITY LIST-STATUS ESEARCH]\r\n", b"~{1+}\r\n", b"* 4294967296 EXPUNGE\r\n", b"* 1 FETCH (\r\n",
    ]
)  # fmt: skip


@given(st.lists(st.lists(FRAGMENTS | st.binary(max_size=8), max_size=12).map(b"".join), max_size=8))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_garbage_ends_in_an_error_of_ours(limits: Limits, answers: list[bytes]) -> None:
    """Whatever a server sends, each call returns or raises a MunimentError in time."""

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK hello\r\n")
        for answer in answers:
            tag = (await reader.readuntil(b"\r\n")).split(b" ")[0]
            writer.write(answer.replace(b"TAG", tag))
            if b"TAG" not in answer:
                return  # disconnect: waiting for the client's timeout would only take time

    async def run() -> None:
        async with raw_server(babble) as port, asyncio.timeout(60):
            try:
                server = Server("127.0.0.1", port, Access.IMAP, timeout_seconds=0.1)
                session = await ImapSession.open(server, LOGIN, limits)
            except MunimentError:
                return
            for call in CALLS.values():
                try:
                    await call(session)
                except MunimentError:
                    pass
            await session.logout()

    asyncio.run(run())
