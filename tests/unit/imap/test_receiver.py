from __future__ import annotations

import os
import time
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muniment.errors import ProtocolViolation, Transient
from muniment.imap.receiver import MAX_RESPONSE_BYTES, Receiver, release
from muniment.imap.tokens import Part
from muniment.mailserver import Limits
from muniment.mailserver.spool import Discarded, SpooledMessage
from muniment.model.message import MemoryMessage

STREAM = (
    b"* OK {5}\r\n"
    b"* 1 FETCH (UID 1 BODY[] {0}\r\n)\r\n"
    b"* 2 FETCH (UID 2 BODY[] {12}\r\nab\r\n)\r\n* x\r\n FLAGS ())\r\n"
    b'* LIST () "/" {4}\r\nA\r\nB\r\n'
    b"* 3 FETCH (UID 3 body[] {30}\r\n" + b"\r\n}" * 10 + b")\r\n"
    b"* 4 FETCH (UID 4 BODY[] ~{60+}\r\n" + b"z" * 60 + b")\r\n"
    b"* 5 FETCH (BODY[] {2}\r\nhi BODY[] {2}\r\nho X {3}\r\nabc)\r\n"
    b"* 6 FETCH (UID 6 BODY[] {6}\r\nmail\r\n\r\n)\r\n"
    b"* 7 fetch (X {2}\r\nhi\r\n BODY[] {20}\r\n" + b"\r\n" * 10 + b"\r\n FLAGS ())\r\n"
    b"* STATUS {3}\r\na\r\n\r\n"
    b"*  522 EXISTS\r\n"
    b"*    OK as you like {5}\r\n"
    b"*  8 FETCH (UID 8 BODY[] {4}\r\n*  x)\r\n"
    b"\r\n"
    b"+ go {9}\r\n"
    b"A1 OK \rdone\r\n"
)
EXPECTED = [
    [b"* OK {5}"],
    [b"* 1 FETCH (UID 1 BODY[] ", (b"",), b")"],
    [b"* 2 FETCH (UID 2 BODY[] ", (b"ab\r\n)\r\n* x\r\n",), b" FLAGS ())"],
    [b'* LIST () "/" ', b"A\r\nB", b""],
    [b"* 3 FETCH (UID 3 body[] ", (b"\r\n}" * 10,), b")"],
    [b"* 4 FETCH (UID 4 BODY[] ", ("discarded", 60), b")"],
    [b"* 5 FETCH (BODY[] ", (b"hi",), b" BODY[] ", b"ho", b" X ", b"abc", b")"],
    [b"* 6 FETCH (UID 6 BODY[] ", (b"mail\r\n",), b")"],
    [b"* 7 fetch (X ", b"hi", b" BODY[] ", (b"\r\n" * 10,), b" FLAGS ())"],
    [b"* STATUS ", b"a\r\n", b""],
    [b"* 522 EXISTS"],
    [b"* OK as you like {5}"],
    [b"* 8 FETCH (UID 8 BODY[] ", (b"*  x",), b")"],
    [b""],
    [b"+ go {9}"],
    [b"A1 OK \rdone"],
]


def plain(parts: list[Part]) -> list[object]:
    """Return the parts, with the bodies' bytes in a tuple, and close them."""
    read: list[object] = []
    for part in parts:
        if isinstance(part, bytes):
            read.append(part)
        elif isinstance(part, Discarded):
            read.append(("discarded", part.size))
        else:
            read.append((b"".join(part.chunks(7)),))
    release(parts)
    return read


def received(limits: Limits, pieces: list[bytes]) -> list[list[object]]:
    """Return what a receiver delivers."""
    responses: list[list[object]] = []
    receiver = Receiver(limits, lambda parts: responses.append(plain(parts)))
    for piece in pieces:
        receiver.feed(piece)
    return responses


@pytest.fixture
def tight(limits: Limits) -> Limits:
    """Limits that put the messages of STREAM into memory, into a file, or discard them."""
    return replace(limits, spool_bytes=16, max_message_bytes=50)


@given(st.lists(st.integers(0, len(STREAM)), max_size=30).map(sorted))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_split_gives_the_same(tight: Limits, cuts: list[int]) -> None:
    """The responses are the same however the network fragments the stream."""
    edges = [0, *cuts, len(STREAM)]

    assert received(tight, [STREAM[a:b] for a, b in pairwise(edges)]) == EXPECTED


def test_byte_by_byte(tight: Limits) -> None:
    """The same holds if every byte arrives alone."""
    assert received(tight, [STREAM[i : i + 1] for i in range(len(STREAM))]) == EXPECTED


def test_an_empty_line_is_skipped_once(limits: Limits) -> None:
    """One empty line after the literal of a FETCH is a server's mistake; a second one ends the response."""
    stream = b"* 1 FETCH (BODY[] {4}\r\nmail" + b"\r\n" * 2 + b"* 2 EXISTS\r\n"

    assert received(limits, [stream]) == [[b"* 1 FETCH (BODY[] ", (b"mail",), b""], [b"* 2 EXISTS"]]


def test_where_a_message_waits(tight: Limits) -> None:
    """Depending on its size, a body is in memory, in a spool file, or discarded."""
    bodies: list[Part] = []
    receiver = Receiver(tight, lambda parts: bodies.append(parts[1]))
    for size in (16, 17, 50, 51):
        receiver.feed(b"* 1 FETCH (BODY[] {%d}\r\n" % size + b"x" * size + b")\r\n")

    assert [type(b) for b in bodies] == [MemoryMessage, SpooledMessage, SpooledMessage, Discarded]
    release(bodies)


def test_too_large_is_too_large_for_memory_too(tight: Limits) -> None:
    """The message limit applies even to messages that fit into memory."""
    bodies: list[Part] = []
    receiver = Receiver(replace(tight, max_message_bytes=10), lambda parts: bodies.append(parts[1]))
    receiver.feed(b"* 1 FETCH (BODY[] {11}\r\n" + b"x" * 11 + b")\r\n")

    assert [Discarded] == [type(b) for b in bodies]


def test_a_spooled_message_reads_like_one_in_memory(tight: Limits) -> None:
    """Head and chunks agree and can be repeated, and the spool folder stays empty."""
    data = bytes(range(50))
    bodies: list[Part] = []
    Receiver(tight, lambda parts: bodies.append(parts[1])).feed(b"* 1 FETCH (BODY[] {50}\r\n" + data + b")\r\n")
    spooled, memory = bodies[0], MemoryMessage(data)
    assert isinstance(spooled, SpooledMessage)

    for _ in range(2):
        assert list(spooled.chunks(8)) == list(memory.chunks(8))
        assert [spooled.head(n) for n in (0, 5, 50, 99)] == [memory.head(n) for n in (0, 5, 50, 99)]
    assert os.listdir(tight.spool) == []  # noqa: PTH208 - unnamed: gone even if the process is killed
    spooled.close()
    spooled.close()


def test_stopping_in_mid_literal_frees_the_file(tight: Limits) -> None:
    """A connection that ends inside a message leaves no open descriptors."""
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    receiver = Receiver(tight, lambda _: None)
    receiver.feed(b"* 1 FETCH (BODY[] {40}\r\nxxx")
    assert len(os.listdir("/proc/self/fd")) == before + 1  # noqa: PTH208

    receiver.stop()
    receiver.feed(b"more")
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_a_spool_that_cannot_be_written(tight: Limits) -> None:
    """If the folder cannot be created, the error names it and is transient."""
    blocked = tight.spool / "x"
    tight.spool.write_bytes(b"a file where the folder should be")

    with pytest.raises(Transient, match="spool"):
        Receiver(replace(tight, spool=blocked), lambda _: None).feed(b"* 1 FETCH (BODY[] {40}\r\n")


@pytest.mark.parametrize(
    "piece",
    [b"* SEARCH" + b" 1" * 50_000, b"* LIST {100000}\r\n" + b"x" * 100_000, b"x {1}\r\ny"],
    ids=["line", "literals", "small literals"],
)
def test_an_endless_answer_is_cut_off(limits: Limits, piece: bytes) -> None:
    """An endless response is refused before it fills the memory."""
    receiver = Receiver(limits, lambda _: None)
    receiver.feed(b"* LIST ")

    def flood() -> None:
        for _ in range(1 + MAX_RESPONSE_BYTES // min(len(piece), 64)):
            receiver.feed(piece)

    with pytest.raises(ProtocolViolation, match="longer"):
        flood()


@pytest.mark.parametrize("size", [b"99999999999", b"9" * 30])
def test_an_enormous_literal_is_refused_unread(limits: Limits, size: bytes) -> None:
    """An oversized literal that is not a message is refused when it is announced."""
    with pytest.raises(ProtocolViolation):
        Receiver(limits, lambda _: None).feed(b"* LIST () NIL {" + size + b"}\r\n")


@pytest.mark.parametrize("size", [2**40 + 1, 2**63])
def test_an_absurd_message_is_refused_unread(limits: Limits, size: int) -> None:
    """An oversized message is read to its end and discarded, unless that would take years."""
    receiver = Receiver(limits, lambda _: None)
    receiver.feed(b"* 1 FETCH (BODY[] {%d}\r\nx" % 2**40)

    assert receiver.trickled == 1
    with pytest.raises(ProtocolViolation, match=str(size)):
        Receiver(limits, lambda _: None).feed(b"* 1 FETCH (BODY[] {%d}\r\n" % size)


def test_small_packets_cost_linear_time(limits: Limits) -> None:
    """A long line in tiny packets is joined once, not at every packet."""
    receiver = Receiver(limits, lambda _: None)
    start = time.process_time()
    for _ in range(100_000):
        receiver.feed(b" 12345678")
    receiver.feed(b"\r\n")

    assert time.process_time() - start < 2


def test_thousands_of_lines_in_one_read(limits: Limits) -> None:
    """Any number of responses may arrive in one packet."""
    assert len(received(limits, [b"* 1 EXISTS\r\n" * 50_000])) == 50_000
