from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.imap.mutf7 import decode, encode, split_path

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@pytest.mark.parametrize(
    ("wire", "text"),
    [
        (b"INBOX", "INBOX"),
        (b"&AOQA9gD8-", "äöü"),
        (b"Entw&APw-rfe", "Entwürfe"),
        (b"R&-D", "R&D"),
        (b"&U,BTFw-&-&ZeVnLIqe-", "台北&日本語"),
        (b"~peter/mail/&U,BTFw-", "~peter/mail/台北"),
        (b"&2D3eAA-", "\N{GRINNING FACE}"),
        (b"", ""),
    ],
)
def test_names_of_the_standard(wire: bytes, text: str) -> None:
    """Modified UTF-7 decodes to text and encodes back."""
    assert decode(wire) == text
    assert encode(text) == wire


@pytest.mark.parametrize(
    "broken", [b"R&D", b"a&", b"&AAA", b"&!-", b"&A-", b"&2D0-", b"&AGE-", b"&AOR-", b"&====-", b"a & b - c"]
)
def test_broken_sequences_stay(broken: bytes) -> None:
    """A sequence that is not canonical modified UTF-7 stays unchanged."""
    assert decode(broken) == broken.decode()


def test_unasked_utf8() -> None:
    """A name with 8-bit bytes is UTF-8, in which an ampersand is an ampersand."""
    assert decode("Büro & &AOQ-".encode()) == "Büro & &AOQ-"


def test_neither_utf7_nor_utf8() -> None:
    """Undecodable bytes become escapes, and stay distinguishable."""
    assert decode(b"B\xfcro") == "B\\xfcro"


def test_a_nul_is_shown() -> None:
    """A NUL, which file systems and databases cannot store, becomes visible."""
    assert decode(b"a\0b") == "a\\x00b"


@given(TEXT)
def test_any_text_comes_back(text: str) -> None:
    """Encoding and decoding gives the same text, in any script."""
    assert decode(encode(text)) == text


@given(st.binary())
def test_decoding_never_fails(name: bytes) -> None:
    """Any bytes in a folder name can be displayed and stored."""
    decode(name).encode()


@given(st.lists(TEXT.map(lambda t: t.replace("/", "_")), min_size=1).filter(lambda p: p[0].upper() != "INBOX"))
def test_paths_come_back(path: list[str]) -> None:
    """A deep path in any script splits where it was joined."""
    assert split_path(b"/".join(encode(part) for part in path), b"/") == tuple(path)


@pytest.mark.parametrize("delimiter", [b".", b"\\", b"|", b"^", b" ", b"*"])
def test_any_delimiter(delimiter: bytes) -> None:
    """The server's delimiter is matched literally."""
    assert split_path(b"a" + delimiter + b"R&-D", delimiter) == ("a", "R&D")


def test_a_delimiter_within_a_sequence_is_no_delimiter() -> None:
    """The comma in `&U,BTFw-` is base64, not a delimiter."""
    assert split_path(b"x,&U,BTFw-,y", b",") == ("x", "台北", "y")


def test_no_delimiter_no_tree() -> None:
    """With NIL as the delimiter, names are flat."""
    assert split_path(b"a/b.c", None) == ("a/b.c",)


def test_a_trailing_delimiter_is_no_folder() -> None:
    """A trailing delimiter is ignored."""
    assert split_path(b"a/b/", b"/") == ("a", "b")


@pytest.mark.parametrize("name", [b"inbox", b"Inbox", b"INBOX"])
def test_inbox_in_any_case(name: bytes) -> None:
    """INBOX is one folder, in whatever case the server writes it."""
    assert split_path(name, b"/") == ("INBOX",)
