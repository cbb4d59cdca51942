"""Reads TNEF, the format of winmail.dat, in which Outlook and Exchange send messages ([MS-OXTNEF], [MS-OXCMSG]).

Everything is read in one pass; what is damaged ends the reading, and what was read until then is kept.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from muniment.mail.charset_names import codec_of_page
from muniment.mail.charsets import clean, decode
from muniment.mail.compressed_rtf import unpack_rtf
from muniment.mail.markup import html_to_text
from muniment.mail.rtf import rtf_to_text

SIGNATURE = b"\x78\x9f\x3e\x22"
MAX_ATTACHMENTS = 1000
#: Properties of a message and its attachments altogether; real messages have some hundreds.
_MAX_PROPERTIES = 100_000
_MESSAGE_INTERFACE = bytes.fromhex("0703020000000000c000000000000046")

_U16, _U32 = struct.Struct("<H"), struct.Struct("<I")
_FROM, _SUBJECT, _BODY, _ATTACH_DATA, _ATTACH_TITLE = 0x8000, 0x8004, 0x800C, 0x800F, 0x8010
_RENDERING, _MAPI, _RECIPIENTS, _ATTACHMENT, _CODE_PAGE = 0x9002, 0x9003, 0x9004, 0x9005, 0x9007

_STRING, _UNICODE, _BINARY, _OBJECT = 0x001E, 0x001F, 0x0102, 0x000D
_SIZES = {2: 4, 3: 4, 4: 4, 5: 8, 6: 8, 7: 8, 0x0A: 4, 0x0B: 4, 0x14: 8, 0x40: 8, 0x48: 16, 0: 0, 1: 0}
_MULTIPLE = 0x1000

_P_SUBJECT, _P_BODY, _P_HTML, _P_RTF = 0x0037, 0x1000, 0x1013, 0x1009
_P_INTERNET_PAGE, _P_MESSAGE_PAGE = 0x3FDE, 0x3FFD
_P_NAME, _P_ADDRESS, _P_SMTP = 0x3001, 0x3003, 0x39FE
_P_PEOPLE = (0x0C1A, 0x0C1F, 0x5D01, 0x5D02, 0x0042, 0x0065, 0x0E04, 0x0E03, 0x0E02)
_P_FILE_NAME, _P_LONG_FILE_NAME, _P_DATA, _P_MIME_TYPE = 0x3704, 0x3707, 0x3701, 0x370E
_N_LOCATION = 0x8208


@dataclass
class TnefAttachment:
    """A file, or a message, in which case `data` is TNEF."""

    name: str = ""
    type: str = ""
    data: bytes = b""


@dataclass
class Tnef:
    """What people see of a message in TNEF; `problems`: what could not be read."""

    texts: list[str] = field(default_factory=list)
    attachments: list[TnefAttachment] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass
class _Bodies:
    plain: str = ""
    html: str = ""
    rtf: bytes = b""


def read_tnef(data: bytes) -> Tnef:
    """Return the texts and attachments; never raises."""
    return _Reader(data).read()


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self._page = "cp1252"
        self._found = Tnef()
        self._bodies = _Bodies()
        self._left = _MAX_PROPERTIES

    def read(self) -> Tnef:
        if bytes(self._data[:4]) != SIGNATURE:
            self._found.problems.append("no TNEF: its signature is missing")
            return self._found
        try:
            for level, name, value in self._attributes():
                self._attribute(level, name, value)
        except (EOFError, struct.error, IndexError):
            self._found.problems.append("damaged or truncated TNEF")
        self._choose_body()
        self._found.texts = [clean(text) for text in self._found.texts if text.strip()]
        return self._found

    def _attributes(self) -> Iterator[tuple[int, int, memoryview]]:
        position, end = 6, len(self._data)
        if end - position < 9:
            raise EOFError
        is_sound = True
        while position < end:
            if end - position < 9:
                if bytes(self._data[position:end]).strip(b"\0\r\n "):
                    raise EOFError
                break
            level = self._data[position]
            name = _U16.unpack_from(self._data, position + 1)[0]
            size = _U32.unpack_from(self._data, position + 5)[0]
            position += 9
            if size > end - position:
                yield level, name, self._data[position:end]
                raise EOFError
            value = self._data[position : position + size]
            position += size + 2
            if is_sound and position <= end:
                is_sound = sum(value) & 0xFFFF == _U16.unpack_from(self._data, position - 2)[0]
                if not is_sound:
                    self._found.problems.append("damaged TNEF: a checksum is wrong")
            yield level, name, value

    def _attribute(self, level: int, name: int, value: memoryview) -> None:
        if name == _CODE_PAGE and len(value) >= 4:
            self._page = codec_of_page(_U32.unpack_from(value)[0]) or self._page
        elif level == 2:
            self._attachment(name, value)
        elif name == _SUBJECT:
            self._add(self._text(bytes(value)))
        elif name == _BODY:
            self._bodies.plain = self._bodies.plain or self._text(bytes(value))
        elif name == _FROM:
            self._sender(bytes(value))
        elif name == _MAPI:
            self._message(dict(self._all_properties(value)))
        elif name == _RECIPIENTS:
            self._recipients(value)

    def _add(self, text: str) -> None:
        if text not in self._found.texts:
            self._found.texts.append(text)

    def _attachment(self, name: int, value: memoryview) -> None:
        attachments = self._found.attachments
        if name == _RENDERING or not attachments:
            if len(attachments) >= MAX_ATTACHMENTS:
                raise EOFError
            attachments.append(TnefAttachment())
        current = attachments[-1]
        if name == _ATTACH_TITLE:
            current.name = current.name or self._text(bytes(value))
        elif name == _ATTACH_DATA:
            current.data = current.data or bytes(value)
        elif name == _ATTACHMENT:
            found = dict(self._all_properties(value))
            names = (found.get(number) for number in (_P_LONG_FILE_NAME, _P_FILE_NAME, _P_NAME))
            current.name = next((self._string(one) for one in names if one), current.name)
            current.type = self._string(found.get(_P_MIME_TYPE, "")).lower()
            packed = found.get(_P_DATA)
            if isinstance(packed, bytes):
                is_message = packed.startswith(_MESSAGE_INTERFACE)
                current.data = packed[16:] if is_message else packed
                current.type = "application/ms-tnef" if is_message else current.type

    def _message(self, found: dict[int, str | bytes | int]) -> None:
        pages = (found.get(number) for number in (_P_MESSAGE_PAGE, _P_INTERNET_PAGE))
        page = next((codec for one in pages if isinstance(one, int) and (codec := codec_of_page(one))), self._page)
        self._add(self._string(found.get(_P_SUBJECT, "")))
        people = " ".join(dict.fromkeys(self._string(found[number]) for number in _P_PEOPLE if found.get(number)))
        self._add(people)
        self._add(self._string(found.get(_N_LOCATION, "")))
        self._bodies.plain = self._string(found.get(_P_BODY, ""), page) or self._bodies.plain
        self._bodies.html = self._string(found.get(_P_HTML, ""), page, found.get(_P_INTERNET_PAGE)) or self._bodies.html
        rtf = found.get(_P_RTF)
        self._bodies.rtf = rtf if isinstance(rtf, bytes) else self._bodies.rtf

    def _choose_body(self) -> None:
        """Add the body that people see: HTML, otherwise RTF, otherwise plain text."""
        text = html_to_text(self._bodies.html)
        if not text and self._bodies.rtf:
            rtf, problem = unpack_rtf(self._bodies.rtf)
            text = rtf_to_text(rtf).strip()
            if problem:
                self._found.problems.append(problem)
                text = f"{text}\n{self._bodies.plain}"
        self._add(text if text.strip() else self._bodies.plain)

    def _sender(self, value: bytes) -> None:
        """Read attFrom: lengths of a name and of an address with its type ([MS-OXTNEF] §2.1.3.3.7)."""
        if len(value) < 8:
            return
        name_size, address_size = _U16.unpack_from(value, 4)[0], _U16.unpack_from(value, 6)[0]
        name, address = value[8 : 8 + name_size], value[8 + name_size : 8 + name_size + address_size]
        self._add(" ".join((self._text(name), self._text(address).partition(":")[2])))

    def _recipients(self, value: memoryview) -> None:
        (count,) = _U32.unpack_from(value)
        position = 4
        for _ in range(count):
            found: dict[int, str | bytes | int] = {}
            for number, one, behind in self._properties(value, position):
                found.setdefault(number, one)
                position = behind
            self._add(" ".join(self._string(found[key]) for key in (_P_NAME, _P_ADDRESS, _P_SMTP) if found.get(key)))

    def _all_properties(self, value: memoryview) -> Iterator[tuple[int, str | bytes | int]]:
        try:
            for number, one, _ in self._properties(value, 0):
                yield number, one
        except (EOFError, struct.error, IndexError):
            self._found.problems.append("damaged properties in TNEF")

    def _properties(self, value: memoryview, position: int) -> Iterator[tuple[int, str | bytes | int, int]]:
        """Yield the id and value of each property, and the position behind it ([MS-OXTNEF] §2.1.3.4)."""
        (count,) = _U32.unpack_from(value, position)
        position += 4
        if not count:
            self._left -= 1
            if self._left < 0:
                raise EOFError
            yield 0, 0, position
        for _ in range(count):
            self._left -= 1
            if self._left < 0:
                raise EOFError
            kind, number = _U16.unpack_from(value, position)[0], _U16.unpack_from(value, position + 2)[0]
            position += 4
            if number >= 0x8000:
                number, position = self._name(value, position)
            values = 1
            is_variable = kind & ~_MULTIPLE in {_STRING, _UNICODE, _BINARY, _OBJECT}
            if is_variable or kind & _MULTIPLE:
                values, position = _U32.unpack_from(value, position)[0], position + 4
            for _ in range(min(values, self._left)):
                self._left -= 1
                one, position = self._value(value, position, kind & ~_MULTIPLE)
                yield number, one, position

    @staticmethod
    def _name(value: memoryview, position: int) -> tuple[int, int]:
        """Return the number of a named property (0 if its name is a text), and the position behind its name."""
        is_text = _U32.unpack_from(value, position + 16)[0]
        found = _U32.unpack_from(value, position + 20)[0]
        position += 24
        return (0, position + found + -found % 4) if is_text else (found, position)

    def _value(self, value: memoryview, position: int, kind: int) -> tuple[str | bytes | int, int]:
        if kind in {_STRING, _UNICODE, _BINARY, _OBJECT}:
            (size,) = _U32.unpack_from(value, position)
            position += 4
            if size > len(value) - position:
                raise EOFError
            data = bytes(value[position : position + size])
            position += size + -size % 4
            return (data.decode("utf-16-le", "replace").rstrip("\0") if kind == _UNICODE else data), position
        size = _SIZES.get(kind)
        if size is None or position + size > len(value):
            raise EOFError
        number = _U32.unpack_from(value, position)[0] if size >= 4 else 0
        return number & 0xFFFF if kind == 2 else number, position + size

    def _string(self, value: str | bytes | int, page: str = "", internet_page: object = None) -> str:
        if isinstance(value, str):
            return value
        if isinstance(value, bytes):
            codec = codec_of_page(internet_page) if isinstance(internet_page, int) else None
            return self._text(value, codec or page)
        return ""

    def _text(self, value: bytes, page: str = "") -> str:
        return decode(value.rstrip(b"\0"), page or self._page)[0]
