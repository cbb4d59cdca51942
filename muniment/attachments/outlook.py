"""Reads messages that Outlook saved as files (.msg): MAPI properties in an OLE container ([MS-OXMSG])."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

import olefile

from muniment.attachments.limits import DEPTH, Budget, Within
from muniment.mail.charset_names import codec_of_page
from muniment.mail.charsets import decode
from muniment.mail.compressed_rtf import unpack_rtf
from muniment.mail.markup import html_to_text
from muniment.mail.rtf import rtf_to_text

_SUBJECT, _BODY, _RTF, _HTML = "0037", "1000", "1009", "1013"
#: Names and addresses of the sender, of whom it was sent for, and of the recipients as shown.
_PEOPLE = ("0C1A", "0C1F", "5D01", "0042", "0065", "5D02", "0E04", "0E03", "0E02")
_RECIPIENT = ("3001", "3003", "39FE")
_FILE_NAMES, _DATA, _MIME_TYPE = ("3707", "3704", "3001"), "3701", "370E"
_UNICODE, _BYTES, _BINARY, _STORAGE = "001F", "001E", "0102", "000D"
_PAGES = (0x3FDE, 0x3FFD)  # PidTagInternetCodepage, PidTagMessageCodepage
_PROPERTIES = "__properties_version1.0"
#: Length of the header of the properties: of a message at the top, of one within another ([MS-OXMSG] §2.4.1).
_HEADERS = (32, 24)

_Path = tuple[str, ...]


def read_msg(data: bytes, budget: Budget, within: Within) -> None:
    """Collect the texts of a message and its attachments."""
    with olefile.OleFileIO(io.BytesIO(data)) as container:
        _Message(container, budget, within).read((), 0)


class _Message:
    def __init__(self, container: olefile.OleFileIO, budget: Budget, within: Within) -> None:
        self._container, self._budget, self._within = container, budget, within
        self._streams = {tuple(path) for path in container.listdir(streams=True, storages=True)}
        self._page = "cp1252"

    def read(self, at: _Path, depth: int) -> None:
        self._page = self._code_page(at, _HEADERS[bool(at)])
        self._budget.add("\n".join(filter(None, (self._text(at, key) for key in (_SUBJECT, *_PEOPLE)))))
        for folder in self._folders(at, "__recip_version1.0_"):
            self._budget.add(" ".join(filter(None, (self._text(folder, key) for key in _RECIPIENT))))
        self._budget.add(self._body(at))
        for folder in self._folders(at, "__attach_version1.0_"):
            self._budget.member()
            self._attachment(folder, depth)

    def _attachment(self, at: _Path, depth: int) -> None:
        name = next(filter(None, (self._text(at, key) for key in _FILE_NAMES)), "")
        self._budget.add(name)
        embedded = (*at, f"__substg1.0_{_DATA}{_STORAGE}")
        if embedded not in self._streams:
            content = self._stream(at, _DATA, _BINARY) or b""
            self._within(name, self._text(at, _MIME_TYPE).lower(), content)
        elif (*embedded, _PROPERTIES) not in self._streams:
            self._budget.trouble("an embedded object was not read")
        elif depth >= DEPTH:
            self._budget.trouble(f"nested deeper than {DEPTH} levels")
        else:
            page = self._page
            self.read(embedded, depth + 1)
            self._page = page

    def _body(self, at: _Path) -> str:
        html = self._stream(at, _HTML, _BINARY)
        if html is not None:
            return html_to_text(decode(html, self._page)[0])
        if text := self._text(at, _HTML):
            return html_to_text(text)
        if text := self._text(at, _BODY):
            return text
        packed = self._stream(at, _RTF, _BINARY)
        if packed is None:
            return ""
        rtf, problem = unpack_rtf(packed)
        if problem:
            self._budget.trouble(problem)
        return rtf_to_text(rtf)

    def _folders(self, at: _Path, beginning: str) -> Iterator[_Path]:
        return iter(sorted(path for path in self._streams if path[:-1] == at and path[-1].startswith(beginning)))

    def _text(self, at: _Path, key: str) -> str:
        data = self._stream(at, key, _UNICODE)
        if data is not None:
            return data.decode("utf-16-le", "replace").rstrip("\0")
        return decode(self._stream(at, key, _BYTES) or b"", self._page)[0].rstrip("\0")

    def _stream(self, at: _Path, key: str, type_: str) -> bytes | None:
        path = (*at, f"__substg1.0_{key}{type_}")
        if path not in self._streams:
            return None
        self._budget.check_time()
        data: bytes = self._container.openstream(list(path)).read()
        self._budget.unpack(len(data))
        return data

    def _code_page(self, at: _Path, header: int) -> str:
        if (*at, _PROPERTIES) not in self._streams:
            return self._page
        properties = self._container.openstream([*at, _PROPERTIES]).read()
        found = {}
        for position in range(header, len(properties) - 15, 16):
            tag, _, value = struct.unpack_from("<III", properties, position)
            found[tag >> 16] = value
        return next(filter(None, (codec_of_page(found[page]) for page in _PAGES if page in found)), self._page)
