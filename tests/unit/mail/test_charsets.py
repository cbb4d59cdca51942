from __future__ import annotations

import encodings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.mail.charsets import clean, codec_of, decode

LABELS = st.sampled_from(
    [
        "",
        "utf-8",
        "UTF-7",
        "utf-16",
        "us-ascii",
        "iso-8859-1",
        "gb2312",
        "iso-2022-jp",
        "hz-gb-2312",
        "big5",
        "x-klingon",
    ]
)


@given(st.binary(max_size=300), LABELS | st.text(max_size=80))
def test_any_bytes_under_any_label_become_storable_text(data: bytes, label: str) -> None:
    """Any bytes with any label are decoded, without an error, to text without NUL that UTF-8 can encode."""
    text, _ = decode(data, label, hints=[label, "koi8-r"])

    text.encode("utf-8")
    assert "\0" not in text


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_utf8_needs_no_label(text: str) -> None:
    """UTF-8 is decoded exactly and with certainty, labelled or not."""
    assert decode(text.encode()) == (text, True)
    assert decode(text.encode(), "UTF-8") == (text, True)


@pytest.mark.parametrize(
    ("data", "label", "expected"),
    [
        ("Grüße".encode("cp1252"), "iso-8859-1", ("Grüße", True)),
        ("Preis 5 €".encode("cp1252"), "iso-8859-1", ("Preis 5 €", True)),
        ("Käse".encode(), "us-ascii", ("Käse", False)),
        ("Käse".encode("cp1252"), "us-ascii", ("Käse", False)),
        ("朱镕基".encode("gbk"), "gb2312", ("朱镕基", True)),
        ("①".encode("cp932"), "shift_jis", ("①", True)),
        ("Привет".encode("koi8-r"), '"KOI8-R"', ("Привет", True)),
        ("שלום".encode("iso8859-8"), "iso-8859-8-i", ("שלום", True)),
        (b"a\x81b\x80", "", ("a\x81b€", False)),
        ("Ende 本".encode()[:-1], "utf-8", ("Ende \ufffd", False)),
        (b"+2AA-", "utf-7", ("\ufffd", True)),
    ],
)
def test_labels_and_their_supersets(data: bytes, label: str, expected: tuple[str, bool]) -> None:
    """A label means its superset (WHATWG Encoding Standard); text that contradicts its label is a guess."""
    text, certain = decode(data, label)

    if label == "utf-8":
        assert text.startswith("Ende ")
        assert not certain
    else:
        assert (text, certain) == expected


def test_mostly_sound_utf8_stays_utf8() -> None:
    """Text truncated within a character loses only that character."""
    text, certain = decode("日本語のメール".encode()[:-1], "utf-8")

    assert text == "日本語のメー\ufffd"
    assert not certain


def test_hints_come_before_the_western_guess() -> None:
    """Undeclared 8-bit text is decoded in a charset that the message names elsewhere."""
    assert decode("Привет".encode("koi8-r"), hints=["koi8-r"]) == ("Привет", False)


@pytest.mark.parametrize("label", ["base64", "zlib_codec", "punycode", "idna", "unicode_escape", "rot13", "undefined"])
def test_codecs_that_are_no_charset_are_unknown(label: str) -> None:
    """Python codecs that are not charsets are treated as unknown labels."""
    assert codec_of(label) is None


def test_unknown_labels_leave_no_trace_in_the_codec_cache() -> None:
    """Hostile labels never reach Python's codec registry, which would cache each of them forever."""
    decode(b"text", "x-never-heard-of-this")

    assert not [name for name in encodings._cache if "never" in str(name)]


def test_clean_removes_what_postgresql_cannot_hold() -> None:
    """NUL is removed, and lone surrogates become replacement characters."""
    assert clean("a\0b\ud800ü") == "ab\ufffdü"
