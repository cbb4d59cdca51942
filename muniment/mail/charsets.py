"""Decodes the text of mail, even if its charset label is missing or wrong.

Labels are looked up in a table of Python's codecs, not with `codecs.lookup`: that function caches every unknown name
forever, so hostile labels would leak memory, and it knows codecs that are not charsets (`punycode` takes quadratic
time).
"""

from __future__ import annotations

import encodings
import pkgutil
import re
from collections.abc import Iterable
from encodings.aliases import aliases
from functools import lru_cache

_NO_CHARSETS = {
    *("aliases", "base64_codec", "bz2_codec", "charmap", "hex_codec", "idna", "mbcs", "oem", "palmos", "punycode"),
    *("quopri_codec", "raw_unicode_escape", "rot_13", "undefined", "unicode_escape", "uu_codec", "zlib_codec"),
}
# The superset to use instead of a charset: it also decodes what mailers actually send under that label
# (WHATWG Encoding Standard §4.2).
_SUPERSETS = {
    "ascii": "cp1252",
    "latin_1": "cp1252",
    "iso8859_9": "cp1254",
    "tis_620": "cp874",
    "iso8859_11": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "big5": "cp950",
}
_MAIL_NAMES = {
    "x_gbk": "gb18030",
    "gb_2312_80": "gb18030",
    "x_sjis": "cp932",
    "windows_31j": "cp932",
    "x_euc_jp": "euc_jp",
    "x_euc_kr": "cp949",
    "x_windows_949": "cp949",
    "windows_949": "cp949",
    "windows_874": "cp874",
    "iso_8859_8_i": "iso8859_8",
    "iso_8859_8_e": "iso8859_8",
    "iso_8859_6_i": "iso8859_6",
    "x_mac_roman": "mac_roman",
    "x_mac_cyrillic": "mac_cyrillic",
    "unicode_1_1_utf_7": "utf_7",
    "x_unicode_2_0_utf_7": "utf_7",
    "utf8mb4": "utf_8",
    "unicode": "utf_16",
    "ansi_x3_4_1968": "ascii",
    "x_ansi": "cp1252",
}
_TEXTUAL = re.compile(r"[\0\ud800-\udfff]")
_C1 = re.compile(r"[\x80-\x9f]")
_CP1252_GAPS = re.compile(rb"([\x81\x8d\x8f\x90\x9d])")
_LABEL_CHARACTERS = 64


def _table() -> dict[str, str]:
    modules = {module.name for module in pkgutil.iter_modules(encodings.__path__)} | set(aliases.values())
    names = {name: name for name in modules} | dict(aliases) | _MAIL_NAMES
    return {name: codec for name, codec in names.items() if codec not in _NO_CHARSETS}


_CODECS = _table()


@lru_cache(maxsize=512)
def codec_of(label: str) -> str | None:
    """Return the name of the Python codec for a charset label, or None if it is unknown."""
    if len(label) > _LABEL_CHARACTERS:
        return None
    name = encodings.normalize_encoding(label.strip("\"' \t")).lower()
    return _CODECS.get(name)


def clean(text: str) -> str:
    """Return `text` without NUL and lone surrogates, which PostgreSQL and UTF-8 cannot represent."""
    if text.isascii():
        return text.replace("\0", "") if "\0" in text else text
    return _TEXTUAL.sub(lambda found: "" if found[0] == "\0" else "\ufffd", text)


def decode(data: bytes, label: str = "", hints: Iterable[str] = ()) -> tuple[str, bool]:
    """Return `data` as text, and whether the label was correct (False: the text is a guess).

    The following are tried in order: the label (or its superset), UTF-8, each of `hints`, and a repair that never
    fails. Unlabelled text is certain if it is UTF-8.
    """
    codec = codec_of(label) if label else "utf_8"
    if codec:
        text = _strictly(data, codec)
        if text is not None:
            return clean(text), True
    if codec in _SUPERSETS:
        text = _strictly(data, "utf_8") if codec == "ascii" else None
        text = text if text is not None else _strictly(data, _SUPERSETS[codec])
        if text is not None:
            return clean(text), False
    for guess in ("utf_8", *filter(None, map(codec_of, hints))):
        text = _strictly(data, guess)
        if text is not None:
            return clean(text), False
    return clean(_repaired(data, codec)), False


def _strictly(data: bytes, codec: str) -> str | None:
    try:
        text = data.decode(codec)
    except (ValueError, LookupError):
        return None
    # C1 control characters mean that the text is labelled as ISO-8859-1 but written in its superset.
    return None if codec in _SUPERSETS and _C1.search(text) else text


def _repaired(data: bytes, codec: str | None) -> str:
    if codec not in {None, "ascii", "latin_1", "utf_8", "cp1252"}:
        try:
            return data.decode(codec or "", "replace")
        except (ValueError, LookupError):
            pass
    text = data.decode("utf_8", "replace")
    foreign = len(text) - len(text.encode("ascii", "ignore"))
    # Mostly valid UTF-8 with a few broken sequences (e.g. truncated within a character) stays UTF-8.
    return text if 4 * text.count("\ufffd") <= foreign else _western(data)


def _western(data: bytes) -> str:
    """Decode as cp1252, and its five undefined bytes as ISO-8859-1."""
    pieces = _CP1252_GAPS.split(data)
    return "".join(piece.decode("latin_1" if index % 2 else "cp1252") for index, piece in enumerate(pieces))
