"""Translates charset labels and code page numbers to Python's codecs.

The table covers the labels of the WHATWG Encoding Standard, those of IANA, and what mailers invent. Labels are not
looked up with `codecs.lookup`: that function caches every unknown name forever, so hostile labels would leak memory,
and it knows codecs that are not charsets (`punycode` takes quadratic time).
"""

from __future__ import annotations

import encodings
import pkgutil
import re
from encodings.aliases import aliases
from functools import lru_cache

_NO_CHARSETS = {
    *("aliases", "base64_codec", "bz2_codec", "charmap", "hex_codec", "idna", "mbcs", "oem", "palmos", "punycode"),
    *("quopri_codec", "raw_unicode_escape", "rot_13", "undefined", "unicode_escape", "uu_codec", "zlib_codec"),
}
#: Decoded by `muniment.mail.iso2022`, as Python has no such codec, or one that is too strict.
ISO_2022_JP = "iso2022_jp"
ISO_2022_CN = "iso2022_cn"

#: Names beyond Python's, without punctuation and without the prefixes that `_forms` removes.
_NAMES = {
    "utf_8": "unicode11utf8 unicode20utf8 utf8mb3 utf8mb4 utf8n utf8bom utf8sig utf8unicode utf8mac",
    "utf_7": "unicode11utf7 unicode20utf7 unicode11",
    "utf_16": "unicode ucs2 iso10646ucs2 unicodefeff utf16unicode ucs2le",
    "utf_16_be": "unicodefffe ucs2be",
    "utf_32": "ucs4 iso10646ucs4",
    "ascii": "ansix341968 iso646 iso646irv",
    "cp1252": "ansi msansi winlatin1 latin1windows iso88591windows31latin1 iso88591windows30latin1",
    "cp1250": "msee",
    "cp1251": "mscyrl",
    "cp1253": "msgreek",
    "cp1254": "msturk",
    "cp1255": "mshebr",
    "cp1256": "msarab",
    "iso8859_6": "iso88596e iso88596i",
    "iso8859_7": "suneugreek",
    "iso8859_8": "iso88598e iso88598i logical visual",
    "iso8859_15": "isolatin9 latin9 latin0",
    "koi8_r": "koi koi8 koi8rus",
    "koi8_u": "koi8ru koi8ukr",
    "mac_roman": "mac macintosh macstandard",
    "mac_cyrillic": "maccyrillic macukrainian",
    "mac_latin2": "macce maccentraleurope macroman2 maccentraleurroman",
    "mac_iceland": "macicelandic",
    "mac_croatian": "maccroatian",
    "mac_romanian": "macromanian",
    "cp874": "dos874 win874",
    "gb18030": "gb2312 gb231280 gbk cngb chinese isoir58 euccn gb180302000 gb180302005 gb180302022 macchinesesimp",
    "big5": "cnbig5 xbig5 macchinesetrad big5eten big5tw",
    "cp932": "sjis shiftjis mskanji ms932 windows31j macjapanese sjiswin sjisopen",
    "euc_jp": "eucjp eucpkdfmtjapanese eucjpms eucjpwin ujis extendedunixcodepackedformatforjapanese",
    "cp949": "euckr ksc56011987 ksc56011989 ksc5601 isoir149 korean uhc unifiedhangul mackorean windows949",
    "johab": "johab ksc56011992",
    "hz": "hzgb2312 hzgb",
    ISO_2022_CN: "iso2022cn iso2022cnext",
    ISO_2022_JP: "iso2022jp iso2022jpms cp50220raw jis jiskanji iso2022jp1978 iso2022jp1983",
}
#: Windows code pages (and what .NET, Exchange and RTF call by number) whose codec is not `cp` and the number.
_PAGES = {
    708: "iso8859_6",
    936: "gb18030",
    950: "big5",
    1200: "utf_16_le",
    1201: "utf_16_be",
    1361: "johab",
    10000: "mac_roman",
    10001: "cp932",
    10002: "big5",
    10003: "cp949",
    10004: "mac_arabic",
    10006: "mac_greek",
    10007: "mac_cyrillic",
    10008: "gb18030",
    10010: "mac_romanian",
    10017: "mac_cyrillic",
    10029: "mac_latin2",
    10079: "mac_iceland",
    10081: "mac_turkish",
    10082: "mac_croatian",
    12000: "utf_32_le",
    12001: "utf_32_be",
    20127: "ascii",
    20866: "koi8_r",
    20932: "euc_jp",
    20936: "gb18030",
    20949: "cp949",
    21866: "koi8_u",
    **{28590 + part: f"iso8859_{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 15)},
    38598: "iso8859_8",
    **dict.fromkeys((50220, 50221, 50222), ISO_2022_JP),
    50225: "iso2022_kr",
    50227: ISO_2022_CN,
    51932: "euc_jp",
    51936: "gb18030",
    51949: "cp949",
    52936: "hz",
    54936: "gb18030",
    65000: "utf_7",
    65001: "utf_8",
}
#: What mailers write if they do not know the charset.
_NO_LABELS = {
    *("", "unknown", "unknown8bit", "8bit", "7bit", "default", "none", "null", "binary", "userdefined", "charset"),
    *("defaultcharset", "replacement", "unspecified", "true", "false", "undefined", "us", "en", "auto"),
}
_PUNCTUATION = re.compile(r"[^a-z0-9]+")
_PAGE = re.compile(r"(?:windows|win|cp|ibm|ibmcp|dos|ms|ccsid|codepage|oem)?0*([0-9]{3,5})")
_YEAR = re.compile(r"(?:19[789][0-9]|20[0-9]{2})$")
_LABEL_CHARACTERS = 64


def _table() -> dict[str, str]:
    modules = {module.name for module in pkgutil.iter_modules(encodings.__path__)} | set(aliases.values())
    names = {name: name for name in modules} | dict(aliases)
    table = {_PUNCTUATION.sub("", name): codec for name, codec in names.items() if codec not in _NO_CHARSETS}
    return table | {name: codec for codec, all_of_it in _NAMES.items() for name in all_of_it.split()}


_CODECS = _table()


@lru_cache(maxsize=512)
def codec_of(label: str) -> str | None:
    """Return the name of the Python codec for a charset label, or None if it is unknown."""
    if len(label) > _LABEL_CHARACTERS:
        return None
    plain = _PUNCTUATION.sub("", label.lower().partition(";")[0])
    for form in _forms(plain.removeprefix("charset")):
        if found := _CODECS.get(form):
            return found
        if (page := _PAGE.fullmatch(form)) and (codec := codec_of_page(int(page[1]))):
            return codec
    return None


def codec_of_page(page: int) -> str | None:
    """Return the name of the Python codec for a Windows or IBM code page, or None if it is unknown."""
    return _PAGES.get(page) or _CODECS.get(f"cp{page}")


def is_no_label(label: str) -> bool:
    """Whether a label says that the charset is not known."""
    plain = _PUNCTUATION.sub("", label.lower())
    return plain in _NO_LABELS or plain.removeprefix("x") in _NO_LABELS


def _forms(plain: str) -> list[str]:
    """Return a label without punctuation, then without the prefixes of IANA's aliases and of private names."""
    forms = [plain, *(plain.removeprefix(prefix) for prefix in ("cs", "xx", "x") if plain.startswith(prefix))]
    return [*forms, *(_YEAR.sub("", form) for form in forms)]
