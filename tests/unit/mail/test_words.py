from __future__ import annotations

import ast
from email.header import Header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.mail.words import decode_words, escaped, unfold

PRINTABLE = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp", "Cn", "Co", "Zs", "Cf"]), min_size=1)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("plain text", "plain text"),
        ("=?utf-8?Q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        ("=?UTF-8?b?R3LDvMOfZQ?=", "Grüße"),
        ("=?utf-8?q?one?= =?utf-8?q?_two?=", "one two"),
        ("=?utf-8?B?5pel5g==?=  =?utf-8?B?nKw=?=", "日本"),
        ("=?iso-8859-1?q?a?= =?utf-8?q?b?= c", "ab c"),
        ("Re: =?utf-8?q?=C3=BC?= and =?utf-8?q?=C3=A4?=!", "Re: ü and ä!"),
        ("=?utf-8*de?q?=C3=BC?=", "ü"),
        ("=?utf-8?q?with spaces inside?=", "with spaces inside"),
        ("=?iso-2022-jp?B?GyRCRnwbKEI=?= =?iso-2022-jp?B?GyRCS1wbKEI=?=", "日本"),
        ("=?utf-8?Q?one=0D=0ABcc:_x?=", "one Bcc: x"),
        ("=? no word ?=", "=? no word ?="),
        ("a=?utf-8?q?b?=c", "abc"),
    ],
)
def test_encoded_words(written: str, expected: str) -> None:
    """Encoded words are decoded with certainty; split ones are joined first."""
    assert decode_words(written) == (expected, True)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("=?x-klingon?q?tlh=FCngan?=", "tlhüngan"),
        ("=?utf-8?b?A?= end", "=?utf-8?b?A?= end"),
        ("=?utf-8?q?=FC?=", "ü"),
        ("a=?utf-8?q?=00?=b", "ab"),
    ],
)
def test_guesses_are_not_certain(written: str, expected: str) -> None:
    """Unknown charsets, broken base64 and wrong labels yield a best effort that is marked as uncertain."""
    text, certain = decode_words(written)

    assert text == expected
    assert certain == ("00" in written)


@given(PRINTABLE, st.sampled_from(["utf-8", "utf-16", "gb18030"]), st.integers(20, 76))
def test_what_the_library_encodes_is_decoded(text: str, charset: str, width: int) -> None:
    """Text encoded and folded by the standard library is restored."""
    written = Header(text, charset, maxlinelen=width).encode()

    assert decode_words(unfold(written.encode())[0])[0].replace(" ", "") == text


@given(st.binary(max_size=200))
def test_escaping_is_reversible(raw: bytes) -> None:
    """Escaped text is ASCII without control characters, and can be parsed as a Python literal to restore the bytes."""
    text = escaped(raw)

    assert text.isascii()
    assert all(" " <= character <= "~" for character in text)
    assert ast.literal_eval("b'" + text.replace("'", r"\'") + "'") == raw


@given(st.binary(max_size=300))
def test_unfold_and_decode_never_raise(raw: bytes) -> None:
    """Any value becomes one line that PostgreSQL can store."""
    text, _ = decode_words(unfold(raw, lambda: ["utf-16", "nonsense", "big5"])[0])

    text.encode("utf-8")
    assert not {"\0", "\n", "\r"} & set(text)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b" one\r\n\t two \n  three ", "one two three"),
        ("Grüße".encode(), "Grüße"),
        ("Grüße".encode("cp1252"), "Grüße"),
        ("会議".encode("iso-2022-jp"), "会議"),
    ],
)
def test_unfold(raw: bytes, expected: str) -> None:
    """A fold becomes one space; raw 8-bit text and raw ISO-2022-JP are decoded."""
    assert unfold(raw)[0] == expected
