from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.contents.codec import (
    CUT_BYTES,
    PART_BYTES,
    Codec,
    EncodedPart,
    checked,
    checked_stream,
    decode_part,
    encode,
    encode_part,
    sha256_of,
)
from muniment.errors import Damaged
from muniment.model.message import MemoryMessage


def restored(parts: list[EncodedPart], data: bytes) -> bytes:
    return b"".join(checked(parts, sha256=hashlib.sha256(data).digest(), size=len(data)))


@given(st.binary(max_size=5000))
def test_messages_round_trip(data: bytes) -> None:
    """Any message comes back byte for byte."""
    message = MemoryMessage(data)

    assert sha256_of(message) == hashlib.sha256(data).digest()
    assert restored(list(encode(message)), data) == data


def test_large_message_is_cut_into_parts() -> None:
    """Parts have 1 MiB; those that do not shrink are stored raw."""
    data = b"text " * 250_000 + os.urandom(CUT_BYTES)
    parts = list(encode(MemoryMessage(data)))

    assert [part.codec for part in parts] == [Codec.ZSTD, Codec.ZSTD, Codec.RAW]
    assert [len(decode_part(*part)) for part in parts] == [CUT_BYTES, CUT_BYTES, len(data) - 2 * CUT_BYTES]
    assert restored(parts, data) == data


def test_larger_parts_of_earlier_archives_are_read() -> None:
    """The first archives have parts of 4 MiB."""
    data = b"text " * 1_000_000
    parts = [encode_part(data[:PART_BYTES]), encode_part(data[PART_BYTES:])]

    assert len(data) > PART_BYTES > CUT_BYTES
    assert restored(parts, data) == data


def test_parts_are_encoded_one_at_a_time() -> None:
    """Encoding reads on only when the next part is asked for."""
    read: list[int] = []

    class Watched(MemoryMessage):
        def chunks(self, size: int) -> Iterator[bytes]:
            for number, chunk in enumerate(super().chunks(size)):
                read.append(number)
                yield chunk

    parts = encode(Watched(bytes(3 * CUT_BYTES)))
    next(parts)

    assert read == [0]


def flipped(part: EncodedPart, position: int) -> EncodedPart:
    damaged = bytearray(part.data)
    damaged[position // 8] ^= 1 << position % 8
    return EncodedPart(part.codec, bytes(damaged))


@given(st.binary(min_size=200, max_size=400), st.data())
def test_flipped_bits_change_nothing_unnoticed(data: bytes, draw: st.DataObject) -> None:
    """A changed bit is reported as damage, unless zstd decodes the very same message from it.

    It does for the unused bit of a frame header (RFC 8878, 3.1.1.1.1.3), and for two offsets that copy equal bytes.
    """
    (part,) = encode(MemoryMessage(data * 3))
    part = flipped(part, draw.draw(st.integers(0, len(part.data) * 8 - 1)))

    try:
        found = restored([part], data * 3)
    except Damaged:
        return

    assert part.codec == Codec.ZSTD
    assert found == data * 3


@pytest.mark.parametrize("codec", list(Codec))
def test_every_flipped_bit_of_what_the_checksum_covers_is_damage(codec: Codec) -> None:
    """Each bit of a raw part counts, and each bit of a zstd part's checksum."""
    data = os.urandom(100) if codec == Codec.RAW else b"text " * 100
    (part,) = encode(MemoryMessage(data))
    bits = range(8 * len(part.data))

    assert part.codec == codec
    for position in bits if codec == Codec.RAW else bits[-32:]:
        with pytest.raises(Damaged):
            restored([flipped(part, position)], data)


@given(st.integers(0, 3), st.binary(max_size=200))
def test_any_stored_bytes_decode_or_are_damaged(codec: int, data: bytes) -> None:
    """Garbage in the store is reported as damage, whatever it is."""
    try:
        decoded = decode_part(codec, data, max_size=1000)
    except Damaged:
        return

    assert len(decoded) <= 1000


def test_bomb_is_refused_before_it_unfolds() -> None:
    """A frame that claims more than a part can hold is damage."""
    bomb = encode_part(bytes(PART_BYTES))

    with pytest.raises(Damaged, match="claims"):
        decode_part(bomb.codec, bomb.data, max_size=PART_BYTES - 1)


def test_trailing_bytes_are_damage() -> None:
    """A frame with something behind it is not what was stored."""
    part = encode_part(b"a" * 1000)

    with pytest.raises(Damaged):
        decode_part(part.codec, part.data + b"x")


@pytest.mark.parametrize("change", ["missing", "extra", "swapped", "other"])
def test_wrong_parts_are_found_at_the_end(change: str) -> None:
    """A part that is missing, one too many, in the wrong place or of another message is damage."""
    parts = [encode_part(letter * 100) for letter in (b"a", b"b", b"c")]
    stored = {
        "missing": parts[:2],
        "extra": [*parts, parts[0]],
        "swapped": [parts[1], parts[0], parts[2]],
        "other": [parts[0], parts[1], encode_part(b"d" * 100)],
    }[change]

    with pytest.raises(Damaged):
        restored(stored, b"a" * 100 + b"b" * 100 + b"c" * 100)


async def test_stream_is_checked_too() -> None:
    """Parts from a database are checked as they stream by."""
    data = b"message" * 100

    async def parts() -> AsyncIterator[EncodedPart]:
        for part in encode(MemoryMessage(data)):
            yield part

    good = checked_stream(parts(), sha256=hashlib.sha256(data).digest(), size=len(data))
    assert b"".join([chunk async for chunk in good]) == data
    with pytest.raises(Damaged):
        _ = [chunk async for chunk in checked_stream(parts(), sha256=bytes(32), size=len(data))]


def test_threads_do_not_share_contexts() -> None:
    """Many threads encode and decode at once without harm."""
    failures: list[bytes] = []

    def work(number: int) -> None:
        data = str(number).encode() * 5000
        failures.extend(data for _ in range(50) if decode_part(*encode_part(data)) != data)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []


@given(st.binary(max_size=100), st.integers(1, 40))
def test_memory_message(data: bytes, size: int) -> None:
    """A message in memory can be read again and again; closing twice is harmless."""
    message = MemoryMessage(data)

    assert [b"".join(message.chunks(size)), b"".join(message.chunks(size))] == [data, data]
    assert message.head(size) == data[:size]
    assert message.size == len(data)
    message.close()
    message.close()
