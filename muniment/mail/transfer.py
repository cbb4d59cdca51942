"""Decodes transfer encodings: base64 and quoted-printable (RFC 2045 §6), uuencoding and yEnc, damaged ones included."""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass

_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]+")
_BASE64_LINE = re.compile(rb"[ \t]*[A-Za-z0-9+/]{4,}={0,2}[ \t\r]*")
_ONLY_BASE64 = re.compile(rb"[A-Za-z0-9+/\r\n]{60,}={0,2}\s*")
_WORDS = re.compile(rb"[ \t]*[^\s]+[ \t]+[^\s]")
_SEPARATOR = re.compile(rb"--[ \t\r]*$|[-_=*]{5,}[ \t\r]*$")
_PADDING = re.compile(rb"=+")
_BAD_QUOTED = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*\r?\n)")
_SOFT_BREAK = re.compile(rb"=[ \t]+(?=\r?\n)")
_BEGIN = re.compile(
    rb"^(?:begin(?P<base64>-base64)? [0-7]{3,4} (?P<name>[^\r\n]{1,200})"
    rb"|=ybegin [^\r\n]{0,200}?name=(?P<yenc>[^\r\n]{1,200}))\r?\n",
    re.MULTILINE,
)
_END = re.compile(rb"^(?:end|====)[ \t]*\r?$", re.MULTILINE)
_YENC_END = re.compile(rb"^=yend [^\r\n]*\r?$", re.MULTILINE)
_YENC_LINE = re.compile(rb"^=y(?:part|begin)[^\r\n]*\r?\n", re.MULTILINE)
_YENC_ESCAPE = re.compile(rb"=(.)", re.DOTALL)
_FROM_YENC = bytes((byte - 42) & 0xFF for byte in range(256))
_CRC = re.compile(rb"\bp?crc32=([0-9a-fA-F]{1,8})\b")
_UNENCODED = {"", "8bit"}


@dataclass(frozen=True)
class Decoded:
    """Decoded bytes, and what was wrong with their encoding."""

    data: bytes
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class PackedFile:
    """A file that was encoded within a text; `problem`: what was wrong with its encoding, if anything."""

    name: bytes
    data: bytes
    problem: str = ""


def decode_transfer(data: bytes, encoding: str, *, is_text: bool = False) -> Decoded:
    """Decode bytes as far as possible; `encoding` as `parts.encoding_of` returns it. Never raises."""
    if encoding == "base64":
        return _base64(data, is_text=is_text)
    if encoding == "quoted-printable":
        return _quoted_printable(data)
    if encoding == "x-uuencode":
        return _uudecoded(data)
    is_known = encoding in _UNENCODED
    problem = f"unknown transfer encoding {encoding.encode('ascii', 'replace').decode()[:40]!r}"
    if not (is_text and is_known) and _ONLY_BASE64.fullmatch(data.lstrip()):
        return Decoded(_base64(data, is_text=is_text).data, ("base64 without a declaration" if is_known else problem,))
    return Decoded(data, () if is_known else (problem,))


@dataclass(frozen=True)
class Unpacked:
    """The rest of a text from which files were taken; `has_unended`: a file without an end mark is still in it."""

    rest: bytes
    files: tuple[PackedFile, ...] = ()
    has_unended: bool = False


def packed_files(data: bytes) -> Unpacked:
    """Extract uuencoded and yEnc files from a text."""
    if b"begin" not in data:
        return Unpacked(data)
    kept: list[bytes] = []
    files: list[PackedFile] = []
    unended: set[bool] = set()  # an end that is not ahead is never searched for again, to keep time linear
    position = 0
    for begin in _BEGIN.finditer(data):
        is_yenc = begin["yenc"] is not None
        if begin.start() < position or is_yenc in unended:
            continue
        end = (_YENC_END if is_yenc else _END).search(data, begin.end())
        if end is None:
            unended.add(is_yenc)
            continue
        kept.append(data[position : begin.start()])
        files.append(_packed_file(begin, data[begin.end() : end.start()], end[0]))
        position = end.end()
    return Unpacked(b"".join((*kept, data[position:])), tuple(files), bool(unended))


def _packed_file(begin: re.Match[bytes], packed: bytes, end: bytes) -> PackedFile:
    if begin["yenc"] is not None:
        found = _from_yenc(packed, end)
    else:
        found = _base64(packed, is_text=False) if begin["base64"] else _uudecoded(packed)
    return PackedFile((begin["yenc"] or begin["name"]).strip(), found.data, "; ".join(found.problems))


def _quoted_printable(data: bytes) -> Decoded:
    data = _SOFT_BREAK.sub(b"=", data)
    stripped = data.rstrip(b"\r\n")
    is_bad = _BAD_QUOTED.search(stripped[:-1] if stripped.endswith(b"=") else stripped)
    return Decoded(binascii.a2b_qp(data), ("damaged quoted-printable",) if is_bad else ())


def _base64(data: bytes, *, is_text: bool) -> Decoded:
    """Decode base64; lines of words within it, such as the footer of a mailing list, stay text in a text."""
    problems: list[str] = []
    tail = b""
    if _NOT_BASE64.sub(b"", data) != b"".join(data.split()):
        problems.append("damaged base64")
        data, tail = _without_words(data)
    decoded = []
    # Some mailers concatenate several encoded pieces, each with its own padding.
    packed = _NOT_BASE64.sub(b"", data)
    for piece in filter(None, _PADDING.split(packed)):
        usable = piece[:-1] if len(piece) % 4 == 1 else piece
        if usable is not piece:
            problems.append("damaged base64")
        decoded.append(binascii.a2b_base64(usable + b"=" * (-len(usable) % 4)))
    if packed and not packed.endswith(b"=") and len(packed.rpartition(b"=")[2]) % 4:
        problems.append("damaged base64")  # it ends within a group
    if is_text and tail:
        decoded.append(b"\n" + tail)
    return Decoded(b"".join(decoded), tuple(dict.fromkeys(problems)))


def _without_words(data: bytes) -> tuple[bytes, bytes]:
    """Split what follows base64 in plain words, such as the footer of a mailing list, from the base64."""
    lines = data.split(b"\n")
    packed = [number for number, line in enumerate(lines) if _BASE64_LINE.fullmatch(line)]
    start = packed[0] if packed else len(lines)
    for number, line in enumerate(lines):
        if number > start and (_WORDS.match(line) or _SEPARATOR.match(line)):
            return b"\n".join(lines[:number]), b"\n".join(lines[number:])
    return data, b""


def _uudecoded(data: bytes) -> Decoded:
    lines = data.splitlines()
    begin = next((index + 1 for index, line in enumerate(lines) if line.startswith(b"begin ")), 0)
    decoded = []
    is_bad = False
    for line in lines[begin:]:
        if line.strip() in {b"end", b"`", b""}:
            continue
        try:
            decoded.append(binascii.a2b_uu(line))
        except binascii.Error:
            # Some encoders write a wrong length; the characters tell it, too.
            try:
                decoded.append(binascii.a2b_uu(line[: 1 + ((line[0] - 32) & 63) * 4 // 3 + 3]))
            except (binascii.Error, IndexError):
                is_bad = True
    return Decoded(b"".join(decoded), ("damaged uuencoding",) if is_bad else ())


def _from_yenc(packed: bytes, end: bytes) -> Decoded:
    packed = _YENC_LINE.sub(b"", packed).replace(b"\r", b"").replace(b"\n", b"")
    plain = _YENC_ESCAPE.sub(lambda found: bytes([(found[1][0] - 64) & 0xFF]), packed).translate(_FROM_YENC)
    said = _CRC.search(end)
    is_bad = said is not None and int(said[1], 16) != binascii.crc32(plain)
    return Decoded(plain, ("damaged yEnc",) if is_bad else ())
