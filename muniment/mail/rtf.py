"""Reads the text of RTF, and the HTML that Outlook hides in it ([MS-OXRTFEX]), in linear time.

Code pages are those of the document and of its fonts. Characters in Unicode come with a fallback for old programs,
which is skipped (Rich Text Format 1.9.1).
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, replace

from muniment.mail.charset_names import codec_of_page
from muniment.mail.charsets import clean
from muniment.mail.markup import html_to_text

_TOKEN = re.compile(
    r"\\(?P<word>[A-Za-z]{1,32})(?P<number>-?[0-9]{1,10})? ?|\\'(?P<hex>[0-9A-Fa-f]{2})|\\(?P<symbol>[^A-Za-z])"
    r"|(?P<brace>[{}])|(?P<text>[^\\{}\r\n]+)|[\r\n]+|.",
    re.DOTALL,
)
_MAX_DEPTH = 2000
_DEFAULT_PAGE = 1252

_BREAKS = {
    **dict.fromkeys(("par", "line", "page", "sect", "row", "column", "softline"), "\n"),
    **dict.fromkeys(("tab", "cell", "nestcell"), "\t"),
    **dict.fromkeys(("emspace", "enspace", "qmspace"), " "),
    "lquote": "‘",
    "rquote": "’",
    "ldblquote": "“",
    "rdblquote": "”",
    "endash": "–",
    "emdash": "—",
    "bullet": "•",
}
_SYMBOLS = {"~": "\u00a0", "_": "-", "-": "", "{": "{", "}": "}", "\\": "\\", "\n": "\n", "\r": "\n"}
#: Groups without readable text; groups that begin with `\*` are others that a reader may ignore.
_HIDDEN = frozenset(
    "fonttbl colortbl stylesheet info pict objdata objclass themedata colorschememapping listtable listoverridetable"
    " rsidtbl generator xmlnstbl latentstyles datastore datafield fldinst bkmkstart bkmkend nonshppict blipuid mmathPr"
    " pgptbl filetbl revtbl fontemb fontfile panose falt xe tc rxe template operator wgrffmtfilter mhtmltag".split()
)
_FONT_CHARSETS = {
    77: 10000,
    78: 10001,
    79: 10003,
    80: 10008,
    81: 10002,
    83: 10006,
    84: 1255,
    85: 10006,
    86: 10081,
    87: 874,
    128: 932,
    129: 949,
    130: 1361,
    134: 936,
    136: 950,
    161: 1253,
    162: 1254,
    163: 1258,
    177: 1255,
    178: 1256,
    186: 1257,
    204: 1251,
    222: 874,
    238: 1250,
    254: 437,
    255: 850,
    88: 10029,
    89: 10007,
}
_PROPERTIES = frozenset("uc f fcharset cpg plain deff htmlrtf fromhtml ansicpg mac pc pca".split())
_CHARACTER_SETS = {"mac": 10000, "pc": 437, "pca": 850}


@dataclass(frozen=True)
class _State:
    """What a group inherits. `fallback`: characters after one in Unicode that stand for it; `font`: its code page."""

    hidden: bool = False
    fallback: int = 1
    font: int | None = None
    in_fonts: bool = False
    in_tag: bool = False
    without: bool = False  # text for readers that know no HTML


def rtf_to_text(data: bytes) -> str:
    """Return the text that a person sees of RTF; of HTML within it, the visible text. Never raises."""
    reader = _Reader(data.decode("latin-1"))
    text = reader.read()
    return html_to_text(text) if reader.is_html else text


class _Reader:
    def __init__(self, source: str) -> None:
        self.is_html = False
        self._source = source
        self._state = _State()
        self._stack: list[_State] = []
        self._excess = 0
        self._page = _DEFAULT_PAGE
        self._fonts: dict[int, int] = {}
        self._font = 0
        self._default_font: int | None = None
        self._pieces: list[str] = []
        self._bytes = bytearray()
        self._bytes_page = _DEFAULT_PAGE
        self._units: list[int] = []
        self._skip = 0
        self._is_optional = False

    def read(self) -> str:
        """Return the text, or the HTML if `is_html`."""
        resume = 0
        for token in _TOKEN.finditer(self._source):
            kind = token.lastgroup
            if kind is None or token.start() < resume:
                continue
            if kind in {"word", "number"}:
                binary = self._word(token["word"], token["number"])
                resume = token.end() + binary if binary else 0
            elif kind == "hex":
                self._character(bytes((int(token["hex"], 16),)))
            elif kind == "symbol":
                self._symbol(token["symbol"])
            elif kind == "brace":
                self._brace(token["brace"])
            else:
                self._literal(token["text"])
        self._flush()
        return clean("".join(self._pieces))

    def _brace(self, brace: str) -> None:
        self._skip = 0
        self._is_optional = False
        if self.is_html and (self._bytes or self._units):
            self._flush()
        if brace == "{":
            if len(self._stack) < _MAX_DEPTH:
                self._stack.append(self._state)
            else:
                self._excess += 1
        elif self._excess:
            self._excess -= 1
        elif self._stack:
            self._state = self._stack.pop()

    def _word(self, word: str, number: str | None) -> int:
        """Follow a control word; return how many binary characters follow it."""
        optional, self._is_optional = self._is_optional, False
        value = int(number) if number else None
        if word == "bin":
            return max(0, value or 0)
        if self._skip:
            self._skip -= 1
            return 0
        if word in _BREAKS:
            self._put(_BREAKS[word])
        elif word == "u" and value is not None:
            self._unicode(value & 0xFFFF)
        elif word == "htmltag" and optional:
            self._flush()
            self._state = replace(self._state, in_tag=True, hidden=self._state.hidden or not self.is_html)
        elif word in _HIDDEN or optional:
            self._state = replace(self._state, hidden=True, in_fonts=self._state.in_fonts or word == "fonttbl")
        elif word in _PROPERTIES:
            self._property(word, value)
        return 0

    def _property(self, word: str, value: int | None) -> None:
        if word == "uc":
            self._state = replace(self._state, fallback=max(0, value if value is not None else 1))
        elif word == "htmlrtf":
            self._state = replace(self._state, without=value != 0)
        elif word == "fromhtml":
            self.is_html = value != 0
        elif word == "ansicpg":
            self._page = value or self._page
        elif word in _CHARACTER_SETS:
            self._page = _CHARACTER_SETS[word]
        else:
            self._font_property(word, value)

    def _font_property(self, word: str, value: int | None) -> None:
        if word == "f" and value is not None:
            self._choose_font(value)
        elif word == "plain":
            self._state = replace(self._state, font=self._default_font)
        elif word == "deff":
            self._default_font = value
            self._state = replace(self._state, font=value)
        elif self._state.in_fonts and value:
            page = value if word == "cpg" else _FONT_CHARSETS.get(value)
            if page is not None:
                self._fonts[self._font] = page

    def _choose_font(self, number: int) -> None:
        self._font = number
        if not self._state.in_fonts and self._state.font != number:
            self._state = replace(self._state, font=number)

    def _symbol(self, symbol: str) -> None:
        if symbol == "*":
            self._is_optional = True
        elif self._skip:
            self._skip -= 1
        elif symbol in _SYMBOLS:
            self._put(_SYMBOLS[symbol])

    def _literal(self, text: str) -> None:
        self._is_optional = False
        if self._skip:
            skipped = min(self._skip, len(text))
            self._skip -= skipped
            text = text[skipped:]
        if text and not self._is_silent:
            self._add(text.encode("latin-1"))

    def _character(self, byte: bytes) -> None:
        if self._skip:
            self._skip -= 1
        elif not self._is_silent:
            self._add(byte)

    def _unicode(self, unit: int) -> None:
        self._skip = self._state.fallback
        if not self._is_silent:
            if self._bytes:
                self._flush()
            self._units.append(unit)

    def _put(self, text: str) -> None:
        if not self._is_silent:
            self._flush()
            self._emit(text)

    @property
    def _is_silent(self) -> bool:
        return self._state.hidden or (self.is_html and self._state.without)

    def _add(self, data: bytes) -> None:
        """Add bytes in the code page of the current font; characters of two bytes may come in two pieces."""
        font = self._state.font
        page = self._page if font is None else self._fonts.get(font, self._page)
        if self._units or page != self._bytes_page:
            self._flush()
        self._bytes_page = page
        self._bytes += data

    def _flush(self) -> None:
        """Decode what was collected; surrogates come one by one, too."""
        if self._units:
            packed = b"".join(unit.to_bytes(2, "little") for unit in self._units)
            self._units.clear()
            self._emit(packed.decode("utf-16-le", "replace"))
        elif self._bytes:
            packed = bytes(self._bytes)
            self._bytes.clear()
            self._emit(packed.decode(codec_of_page(self._bytes_page) or "cp1252", "replace"))

    def _emit(self, text: str) -> None:
        # Within HTML, characters of the text itself are not markup.
        self._pieces.append(text if self._state.in_tag or not self.is_html else html.escape(text, quote=False))
