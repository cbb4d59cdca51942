"""How a message's bytes are encoded: in parts, each compressed on its own.

A part is 1 MiB of the message (the last may be shorter; old archives have parts of 4 MiB) and can be read without the
others, so a huge message is never in memory as a whole. A part that zstd does not shrink is stored uncompressed. An
empty message has no parts.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from enum import IntEnum
from typing import NamedTuple

import zstandard

from muniment.errors import Damaged
from muniment.model.message import RawMessage

#: Maximum bytes of a message in one part …
PART_BYTES = 4 * 1024 * 1024
#: … and in a part that is written now: twenty huge messages in flight hold a few parts each in memory.
CUT_BYTES = 1024 * 1024

_LEVEL = 3
#: Compression that saves less than this is not worth the time to decompress.
_WORTHWHILE = 0.97
_HASH_BYTES = 1024 * 1024


class Codec(IntEnum):
    """How a part is encoded; stored with it as one byte, so the numbers never change."""

    RAW = 0
    ZSTD = 1


class EncodedPart(NamedTuple):
    """One stored part of a message."""

    codec: int
    data: bytes


class _Contexts(threading.local):
    """A zstd context per thread: they are costly to create and not thread-safe."""

    def __init__(self) -> None:
        # The checksum detects damage in a part without the others.
        self.compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True, write_content_size=True)
        self.decompressor = zstandard.ZstdDecompressor()


_contexts = _Contexts()


def encode_part(chunk: bytes) -> EncodedPart:
    """Return `chunk` (at most `PART_BYTES`) encoded for storage."""
    packed = _contexts.compressor.compress(chunk)
    if len(packed) < _WORTHWHILE * len(chunk):
        return EncodedPart(Codec.ZSTD, packed)
    return EncodedPart(Codec.RAW, chunk)


def decode_part(codec: int, data: bytes, *, max_size: int = PART_BYTES) -> bytes:
    """Return the bytes that `encode_part` was given; Damaged if that fails, or they exceed `max_size`."""
    if codec == Codec.RAW:
        if len(data) > max_size:
            raise Damaged(f"a stored part has {len(data)} bytes where at most {max_size} can be")
        return data
    if codec != Codec.ZSTD:
        raise Damaged(f"a stored part has the unknown codec {codec}")
    try:
        size = zstandard.frame_content_size(data)
        # Checked first, so that a damaged frame cannot make us allocate the size it claims.
        if not 0 <= size <= max_size:
            raise Damaged(f"a stored part claims {size} bytes where at most {max_size} can be")
        return _contexts.decompressor.decompress(data, max_output_size=max_size, allow_extra_data=False)
    except (zstandard.ZstdError, MemoryError) as error:
        raise Damaged(f"a stored part cannot be decompressed: {error}") from error


def sha256_of(raw: RawMessage) -> bytes:
    """Return the SHA-256 of a message, 32 bytes."""
    digest = hashlib.sha256()
    for chunk in raw.chunks(_HASH_BYTES):
        digest.update(chunk)
    return digest.digest()


def encode(raw: RawMessage) -> Iterator[EncodedPart]:
    """Yield a message's parts in order, each encoded when it is requested."""
    return map(encode_part, raw.chunks(CUT_BYTES))


class Verifier:
    """Decodes a message's parts and proves that they are the message that was archived."""

    def __init__(self, sha256: bytes, size: int) -> None:
        self._expected = sha256
        self._missing = size
        self._digest = hashlib.sha256()

    def decode(self, part: EncodedPart) -> bytes:
        """Return the bytes of the next part; Damaged when it is damaged, or one part too many."""
        chunk = decode_part(part.codec, part.data, max_size=min(PART_BYTES, self._missing))
        self._missing -= len(chunk)
        self._digest.update(chunk)
        return chunk

    def finish(self) -> None:
        """Damaged unless the parts so far are exactly the message."""
        if self._missing:
            raise Damaged(f"content {self._expected.hex()} is {self._missing} bytes short")
        if self._digest.digest() != self._expected:
            raise Damaged(f"content {self._expected.hex()} has the SHA-256 {self._digest.hexdigest()}")


def checked(parts: Iterable[EncodedPart], *, sha256: bytes, size: int) -> Iterator[bytes]:
    """Yield a message's bytes from its stored parts.

    Raises Damaged, after the last piece at the latest, unless they are the archived bytes: a caller that passes pieces
    on must be able to undo that.
    """
    verifier = Verifier(sha256, size)
    for part in parts:
        yield verifier.decode(part)
    verifier.finish()


async def checked_stream(parts: AsyncIterable[EncodedPart], *, sha256: bytes, size: int) -> AsyncIterator[bytes]:
    """Do what `checked` does, for parts that arrive asynchronously."""
    verifier = Verifier(sha256, size)
    async for part in parts:
        yield verifier.decode(part)
    verifier.finish()
