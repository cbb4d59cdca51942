"""Unpacks compressed RTF, the form in which Outlook stores bodies ([MS-OXRTFCP])."""

from __future__ import annotations

import binascii
import struct

#: Larger bodies are not unpacked: a header may claim any size.
MAX_BYTES = 32 * 1024 * 1024

_HEADER = struct.Struct("<IIII")
_COMPRESSED = 0x75465A4C
_UNCOMPRESSED = 0x414C454D
_WINDOW = 4096
_START = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor "
    b"MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20"
    b"\\b\\i\\u\\tab\\tx"
)


def unpack_rtf(data: bytes) -> tuple[bytes, str]:
    """Return the RTF, as far as it can be unpacked, and what is wrong with it (empty: nothing)."""
    if data.startswith(b"{\\rtf"):
        return data, ""
    if len(data) < _HEADER.size:
        return b"", "compressed RTF without a header"
    size, raw_size, kind, crc = _HEADER.unpack_from(data)
    packed = data[_HEADER.size : size + 4]
    if kind == _UNCOMPRESSED:
        return packed[:raw_size], "truncated RTF" if len(packed) < raw_size else ""
    if kind != _COMPRESSED:
        return b"", "compressed RTF of an unknown kind"
    if raw_size > MAX_BYTES:
        return b"", f"compressed RTF of more than {MAX_BYTES >> 20} MiB was not read"
    is_damaged = _crc(packed) != crc
    rtf, is_whole = _inflate(packed, raw_size)
    return rtf, "damaged compressed RTF" if is_damaged or not is_whole else ""


def _crc(packed: bytes) -> int:
    """Return the CRC-32 without the usual inversions before and after."""
    return binascii.crc32(packed, 0xFFFFFFFF) ^ 0xFFFFFFFF


def _inflate(packed: bytes, raw_size: int) -> tuple[bytes, bool]:
    """Return at most `raw_size` bytes, and whether the end mark was reached."""
    window = bytearray(_START.ljust(_WINDOW, b"\0"))
    write = len(_START)
    out = bytearray()
    position, end = 0, len(packed)
    while position < end and len(out) < raw_size + _WINDOW:
        control = packed[position]
        position += 1
        for bit in range(8):
            if not control >> bit & 1:
                if position >= end:
                    return bytes(out[:raw_size]), False
                byte = packed[position]
                position += 1
                out.append(byte)
                window[write] = byte
                write = (write + 1) % _WINDOW
                continue
            if position + 1 >= end:
                return bytes(out[:raw_size]), False
            token = packed[position] << 8 | packed[position + 1]
            position += 2
            read = token >> 4
            if read == write:
                return bytes(out[:raw_size]), len(out) >= raw_size
            for _ in range((token & 0xF) + 2):
                byte = window[read]
                read = (read + 1) % _WINDOW
                out.append(byte)
                window[write] = byte
                write = (write + 1) % _WINDOW
    return bytes(out[:raw_size]), False
