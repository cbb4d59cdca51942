"""Makes what Outlook makes: compressed RTF and winmail.dat."""

from __future__ import annotations

import binascii
import struct

from muniment.mail.compressed_rtf import _START

_WINDOW = 4096
_U16, _U32 = struct.Struct("<H"), struct.Struct("<I")
MESSAGE = bytes.fromhex("0703020000000000c000000000000046")


def compressed(rtf: bytes) -> bytes:
    """Return RTF compressed as Outlook does, with references to what stood before."""
    history = bytearray(_START)
    packed, tokens, control = bytearray(), bytearray(), 0
    position = count = 0
    while position <= len(rtf):
        length = next((size for size in range(17, 1, -1) if _found(history, rtf, position, size) >= 0), 0)
        at_end = position == len(rtf)
        if at_end or length:
            start = len(history) if at_end else _found(history, rtf, position, length)
            tokens += struct.pack(">H", (start % _WINDOW) << 4 | max(0, length - 2))
            control |= 1 << count
        else:
            tokens.append(rtf[position])
        step = max(1, length)
        history += rtf[position : position + step]
        position += step
        count += 1
        if count == 8 or at_end:
            packed += bytes([control]) + tokens
            tokens, control, count = bytearray(), 0, 0
    crc = binascii.crc32(packed, 0xFFFFFFFF) ^ 0xFFFFFFFF
    return struct.pack("<IIII", len(packed) + 12, len(rtf), 0x75465A4C, crc) + bytes(packed)


def _found(history: bytearray, rtf: bytes, position: int, size: int) -> int:
    """Return where the next `size` bytes stand in the last 4 KiB, or -1."""
    wanted = rtf[position : position + size]
    return history.find(wanted, max(0, len(history) - _WINDOW + 20)) if len(wanted) == size else -1


def properties(**values: str | bytes | int) -> bytes:
    """Return MAPI properties; a keyword is `p` and the number in hexadecimal; text is written in UTF-16."""
    packed = _U32.pack(len(values))
    for name, value in values.items():
        number = int(name[1:], 16)
        if isinstance(value, int):
            packed += _U16.pack(3) + _U16.pack(number) + _U32.pack(value)
            continue
        kind = 0x1F if isinstance(value, str) else 0x1E if name.startswith("s") else 0x102
        kind = 0x0D if name.startswith("o") else kind
        data = value.encode("utf-16-le") + b"\0\0" if isinstance(value, str) else value
        packed += _U16.pack(kind) + _U16.pack(number) + _U32.pack(1) + _U32.pack(len(data))
        packed += data + bytes(-len(data) % 4)
    return packed


def winmail(*attributes: tuple[int, int, bytes]) -> bytes:
    """Return TNEF of attributes (level, name, value)."""
    packed = [b"\x78\x9f\x3e\x22\x01\x00"]
    for level, name, value in attributes:
        head = bytes([level]) + _U16.pack(name) + b"\x06\x00" + _U32.pack(len(value))
        packed += [head, value, _U16.pack(sum(value) & 0xFFFF)]
    return b"".join(packed)
