"""Decodes ISO-2022-JP and ISO-2022-CN as mailers write them, in linear time.

Python's ISO-2022-JP codecs refuse half-width katakana or the characters that NEC and IBM added, both of which occur
under every name of this charset (WHATWG Encoding Standard §12.2, Windows code pages 50220 to 50222). Python has no
codec for ISO-2022-CN (RFC 1922).
"""

from __future__ import annotations

import re
from collections.abc import Callable

_ESCAPE = re.compile(rb"\x1b(?:\$[()*+]?[@-Z]|\([@-Z]|&@|\.[A-Z]|[NO])|[\x0e\x0f]")
_TO_HIGH = bytes(byte | 0x80 if 0x21 <= byte <= 0x7E else byte for byte in range(256))
_CONTROLS = re.compile(rb"([\x00-\x20]+)")
_SINGLE_SHIFT = b"\x1bN"


def decode_jp(data: bytes) -> str | None:
    """Return the text of ISO-2022-JP; None if it is not."""
    pieces: list[str] = []
    mode, position = b"\x1b(B", 0
    for escape in _ESCAPE.finditer(data):
        pieces.append(_japanese(data[position : escape.start()], mode))
        mode = b"\x1b(I" if escape[0] == b"\x0e" else b"\x1b(B" if escape[0] == b"\x0f" else escape[0]
        position = escape.end()
    pieces.append(_japanese(data[position:], mode))
    text = "".join(pieces)
    return None if "\x1b" in text or text.count("\ufffd") * 20 > len(text) else text


def decode_cn(data: bytes) -> str | None:
    """Return the text of ISO-2022-CN, as far as it is GB 2312; None if it is not."""
    pieces: list[str] = []
    shifted, designated, single, position = False, b"", False, 0
    for escape in _ESCAPE.finditer(data):
        pieces.append(_chinese(data[position : escape.start()], shifted, designated, single=single))
        position, single = escape.end(), escape[0] == _SINGLE_SHIFT
        if escape[0] in {b"\x0e", b"\x0f"}:
            shifted = escape[0] == b"\x0e"
        elif escape[0].startswith(b"\x1b$)"):
            designated = escape[0][-1:]
    pieces.append(_chinese(data[position:], shifted, designated, single=single))
    text = "".join(pieces)
    return None if "\x1b" in text else text


def _japanese(run: bytes, mode: bytes) -> str:
    if mode in {b"\x1b$@", b"\x1b$B", b"\x1b$(@", b"\x1b$(B"}:
        return _by_lines(run, _jis_x_0208)
    if mode == b"\x1b$(D":
        return _by_lines(run, _jis_x_0212)
    if mode == b"\x1b(I":
        return run.translate(_TO_HIGH).decode("cp932", "replace")
    # 8-bit katakana occurs between the escapes, too.
    return run.decode("ascii" if run.isascii() else "cp932", "replace")


def _by_lines(run: bytes, decode: Callable[[bytes], str]) -> str:
    """Decode pairs of bytes; control characters between them, such as line breaks, stay as they are."""
    pieces = _CONTROLS.split(run)
    return "".join(decode(piece) if number % 2 == 0 else piece.decode() for number, piece in enumerate(pieces))


def _jis_x_0208(run: bytes) -> str:
    """Decode as cp932, whose double bytes are those of JIS X 0208 and its extensions, rearranged."""
    packed = bytearray()
    for row, cell in zip(run[::2], run[1::2], strict=False):
        lead = ((row & 0x7F) + 1 >> 1) + (0x70 if (row & 0x7F) < 0x5F else 0xB0)
        low = cell & 0x7F
        trail = low + (0x1F if low < 0x60 else 0x20) if row & 1 else low + 0x7E
        packed += bytes((lead & 0xFF, trail & 0xFF))
    return packed.decode("cp932", "replace")


def _jis_x_0212(run: bytes) -> str:
    pairs = zip(run[::2], run[1::2], strict=False)
    return b"".join(bytes((0x8F, row | 0x80, cell | 0x80)) for row, cell in pairs).decode("euc_jp", "replace")


def _chinese(run: bytes, shifted: bool, designated: bytes, *, single: bool) -> str:  # noqa: FBT001 - state of the stream
    if single:  # one character of CNS 11643 plane 2
        return "\ufffd" + _chinese(run[2:], shifted, designated, single=False)
    if not shifted:
        return run.decode("ascii", "replace")
    codec = "gb2312" if designated in {b"A", b"", b"E"} else "ascii"
    return run.translate(_TO_HIGH).decode(codec, "replace")
