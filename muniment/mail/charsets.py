"""Decodes the text of mail, even if its charset label is missing or wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from muniment.mail.charset_names import ISO_2022_CN, ISO_2022_JP, codec_of, is_no_label
from muniment.mail.iso2022 import decode_cn, decode_jp

__all__ = ["clean", "codec_of", "decode"]

# The superset to use instead of a charset, because it also decodes what mailers actually send under that label
# (WHATWG Encoding Standard §4.2).
_SUPERSETS = {
    "latin_1": "cp1252",
    "iso8859_9": "cp1254",
    "tis_620": "cp874",
    "iso8859_11": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "big5": "big5hkscs",
    "cp950": "big5hkscs",
    **dict.fromkeys(("iso2022_jp_1", "iso2022_jp_2", "iso2022_jp_3", "iso2022_jp_ext", "iso2022_jp_2004"), ISO_2022_JP),
}
_WESTERN = {"ascii", "latin_1", "cp1252", "iso8859_15", "iso8859_9", "cp1254", "mac_roman", "cp850", "cp437"}
_SEVEN_BIT = {None, "ascii", "latin_1", "cp1252", "utf_8", "iso8859_15"}
_MULTI_BYTE = {
    *("gb2312", "gbk", "gb18030", "big5", "big5hkscs", "cp950", "shift_jis", "cp932", "euc_jp", "euc_kr", "cp949"),
    "johab",
}
_STATEFUL = {"hz", "iso2022_kr", ISO_2022_CN}
#: What a guess may be: the charsets of mail, without those of mainframes and of extinct machines.
_GUESSED = (
    *("cp932", "euc_jis_2004", "gb18030", "big5hkscs", "cp949", "hz", "iso2022_kr", "utf-16-le", "utf-16-be"),
    *(f"cp{page}" for page in range(1250, 1259)),
    *("koi8-r", "koi8-u", "cp874", "iso8859-2", "iso8859-5", "iso8859-7"),
)
#: Charsets whose letters are mostly where Windows and ISO charsets have few letters or none.
_OLD = ("cp866", "cp437", "cp850", "cp852", "mac-roman", "mac-cyrillic")
#: Guesses with a lower confidence are worse than Windows-1252 (measured on short texts in 20 languages): for text that
#: has mostly ASCII letters, for text that has few, and for text with few that is labelled as Western.
_CONFIDENCE = 0.12
_CONFIDENCE_IF_FOREIGN = 0.03
_CONFIDENCE_AGAINST_LABEL = 0.1
_SAMPLE_BYTES = 16 * 1024
#: A label is trusted if at most this share of the characters is damaged.
_DAMAGED = 0.02
#: This many bytes beyond ASCII tell whether text is Western.
_TELLING_BYTES = 4
#: UTF-8 is recognised under a label of a multi-byte charset by this many bytes beyond the first of each character.
_TELLING_TRAILS = 4

_TEXTUAL = re.compile(r"[\0\ud800-\udfff]")
_C1 = re.compile(r"[\x80-\x9f]")
_CP1252_GAPS = re.compile(rb"([\x81\x8d\x8f\x90\x9d])")
_JAPANESE = re.compile(rb"\x1b(?:\$[@B]|\$\(D|\([IJ])")
_KOREAN = b"\x1b$)C"
_CHINESE = (b"\x1b$)A", b"\x1b$)G")
_HZ = re.compile(rb"~\{(?:[\x21-\x77][\x21-\x7e]){2,200}~\}")
_LETTERS = re.compile(rb"[A-Za-z]")
_HIGH = re.compile(rb"[\x80-\xff]")
_OLD_LETTERS = re.compile(rb"[\x80-\x9f]")
_LATIN_IN_WORD = re.compile(r"[A-Za-z][\u00c0-\u024f]|[\u00c0-\u024f][A-Za-z]")


def clean(text: str) -> str:
    """Return `text` without NUL and lone surrogates, which PostgreSQL and UTF-8 cannot represent."""
    if text.isascii():
        return text.replace("\0", "") if "\0" in text else text
    return _TEXTUAL.sub(lambda found: "" if found[0] == "\0" else "\ufffd", text)


def decode(data: bytes, label: str = "", hints: Iterable[str] = ()) -> tuple[str, bool]:
    """Return `data` as text, and whether its charset is certain (False: the text is a guess, or damaged).

    A label is believed unless the bytes contradict it: they cannot be decoded, they are UTF-8 although the label names
    an older charset, or they look like another script. Then, and without a label, these are tried in order: UTF-8, the
    `hints` (other charsets that the message names), statistics (`chardet`), and Windows-1252 as a last resort. Text
    without a label is certain if it is UTF-8.
    """
    codec = codec_of(label)
    labelled = codec is not None or not (is_no_label(label) or not label)
    if codec in _SEVEN_BIT and (text := _escaped(data, labelled=labelled)) is not None:
        return clean(text), codec == ISO_2022_JP
    if codec is None:
        text = _strictly(data, "utf_8")
        return (clean(text), not labelled) if text is not None else (clean(_guessed(data, hints)), False)
    text = _labelled(data, codec)
    if text is not None:
        return clean(text), True
    return clean(_unlabelled(data, codec, hints)), False


def _labelled(data: bytes, codec: str) -> str | None:
    """Return the text if the bytes do not contradict their label."""
    text = _strictly(data, _SUPERSETS.get(codec, codec))
    if text is None or data.isascii():
        return None if text is not None and codec.startswith("utf_16") else text
    if codec.startswith(("utf_16", "utf_32")):
        return text if b"\0" in data or _strictly(data, "utf_8") is None else None
    if codec.startswith("utf") or codec in _STATEFUL:
        return text
    return None if _is_contradicted(data, codec) else text


def _is_contradicted(data: bytes, codec: str) -> bool:
    """Whether 8-bit text is hardly in the charset of its label, although it can be decoded."""
    if codec == ISO_2022_JP and b"\x1b" not in data:
        return True
    as_utf8 = _strictly(data, "utf_8") if codec in _MULTI_BYTE else _mostly_utf8(data)
    if as_utf8 is not None and (codec not in _MULTI_BYTE or _is_surely_utf8(as_utf8)):
        return True
    if codec not in _WESTERN or not _is_unlike_western(data):
        return False
    return _best_guess(data[:_SAMPLE_BYTES], _CONFIDENCE_AGAINST_LABEL) is not None


def _mostly_utf8(data: bytes) -> str | None:
    """Return the text if it is UTF-8, but for a few broken characters, such as one that was cut in the middle."""
    text = data.decode("utf_8", "replace")
    broken = text.count("\ufffd")
    return text if 4 * broken <= _foreign(text) else None


def _is_surely_utf8(text: str) -> bool:
    """Whether text that is valid UTF-8 is hardly valid by accident, in a charset whose characters have two bytes."""
    trails = len(text.encode()) - len(text)
    return trails >= _TELLING_TRAILS or _LATIN_IN_WORD.search(text) is not None


def _unlabelled(data: bytes, codec: str, hints: Iterable[str]) -> str:
    """Return the text of bytes that contradict their label."""
    text = _mostly_utf8(data)
    if text is not None:
        return text
    if codec not in _WESTERN and codec not in {"utf_8", ISO_2022_JP}:
        text = _leniently(data, _SUPERSETS.get(codec, codec))
        if text is not None and text.count("\ufffd") <= 1 + _DAMAGED * len(text):
            return text
    return _guessed(data, hints)


def _escaped(data: bytes, *, labelled: bool) -> str | None:
    """Return text that contains the escape sequences of a 7-bit charset, whatever its label says."""
    if b"\x1b" in data:
        if _KOREAN in data:
            return _strictly(data, "iso2022_kr")
        if any(escape in data for escape in _CHINESE):
            return decode_cn(data)
        return decode_jp(data) if _JAPANESE.search(data) else None
    if not labelled and b"~{" in data and _HZ.search(data):
        return _strictly(data, "hz")
    return None


def _guessed(data: bytes, hints: Iterable[str]) -> str:
    """Return text in the most likely charset; never fails."""
    text = _mostly_utf8(data)
    if text is not None:
        return text
    for hint in dict.fromkeys(filter(None, map(codec_of, hints))):
        if hint in {"ascii", "utf_8"} or (hint in _WESTERN and _is_unlike_western(data)):
            continue
        text = _strictly(data, _SUPERSETS.get(hint, hint)) or ""
        if text and not _C1.search(text):
            return text
    foreign = _is_unlike_western(data) or _CP1252_GAPS.search(data) is not None
    confidence = _CONFIDENCE_IF_FOREIGN if foreign else _CONFIDENCE
    found = _best_guess(data[:_SAMPLE_BYTES], confidence)
    return (_leniently(data, found) if found else None) or _western(data)


@lru_cache(maxsize=64)
def _best_guess(sample: bytes, confidence: float) -> str | None:
    """Return the codec that statistics suggest for a text, None if they suggest none."""
    import chardet  # noqa: PLC0415 - its models take as long to load as all the rest; most mail needs none

    # A character that is cut at the end of the sample would count as an error.
    whole = sample[: sample.rfind(b"\n") + 1] or sample if len(sample) == _SAMPLE_BYTES else sample
    candidates = (*_GUESSED, *_OLD) if _may_be_old(sample) else _GUESSED
    found = chardet.detect(whole, include_encodings=candidates, compat_names=False, no_match_encoding="cp1252")
    name, certainty = found["encoding"], found["confidence"] or 0.0
    codec = codec_of(str(name)) if name else None
    return codec if certainty >= confidence and codec not in {None, "cp1252", "ascii"} else None


def _is_unlike_western(data: bytes) -> bool:
    """Whether the text has too many letters beyond ASCII for a Western language."""
    sample = data[:_SAMPLE_BYTES]
    high = len(_HIGH.findall(sample))
    return high > len(_LETTERS.findall(sample)) // 2 and high >= _TELLING_BYTES


def _may_be_old(sample: bytes) -> bool:
    """Whether at least a third of the bytes beyond ASCII are where DOS and the Macintosh have letters."""
    return 3 * len(_OLD_LETTERS.findall(sample)) >= len(_HIGH.findall(sample))


def _foreign(text: str) -> int:
    return len(text) - len(text.encode("ascii", "ignore"))


def _strictly(data: bytes, codec: str) -> str | None:
    if codec == ISO_2022_JP:
        return decode_jp(data)
    if codec == ISO_2022_CN:
        return decode_cn(data)
    try:
        return data.decode(codec)
    except (ValueError, LookupError):
        return None


def _leniently(data: bytes, codec: str) -> str | None:
    if codec in {ISO_2022_JP, ISO_2022_CN}:
        return _strictly(data, codec)
    try:
        return data.decode(codec, "replace")
    except (ValueError, LookupError):
        return None


def _western(data: bytes) -> str:
    """Decode as cp1252, and its five undefined bytes as ISO-8859-1."""
    pieces = _CP1252_GAPS.split(data)
    return "".join(piece.decode("latin_1" if index % 2 else "cp1252") for index, piece in enumerate(pieces))
