from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from muniment.mail.parts import MAX_DEPTH, MAX_PARTS, Walk


def leaves(raw: bytes) -> list[tuple[str, bytes]]:
    walk = Walk(raw)
    return [(part.type, walk.raw[part.start : part.end].strip()) for part in walk]


def test_message_without_mime_is_one_text() -> None:
    """A message without MIME headers is one plain text."""
    assert leaves(b"Subject: x\r\n\r\nhello\r\n--not a part\r\n") == [("text/plain", b"hello\r\n--not a part")]


@pytest.mark.parametrize("eol", [b"\r\n", b"\n", b"\r"], ids=["crlf", "lf", "cr"])
def test_nested_multiparts(eol: bytes) -> None:
    """Parts are returned in order, with text outside of them; a line that only starts with a boundary is text."""
    raw = (
        b"Content-Type: multipart/mixed; boundary=out\n\npreamble\n--out\n"
        b'Content-Type: multipart/alternative;\n boundary="out2"\n\n'
        b"--out2\n\none\n--out2\nContent-Type: text/html\n\ntwo\n--out3\n--out2--\nepilogue\n"
        b"--out \nContent-Type: application/pdf; name=a.pdf\nContent-Transfer-Encoding: BASE64\n\nJVBE\n"
        b"--out--\nepilogue\n"
    ).replace(b"\n", eol)

    expected_html = b"two\r\n--out3" if eol == b"\r\n" else b"two\n--out3"
    assert leaves(raw) == [
        ("text/plain", b"preamble"),
        ("text/plain", b"one"),
        ("text/html", expected_html),
        ("text/plain", b"epilogue"),
        ("application/pdf", b"JVBE"),
        ("text/plain", b"epilogue"),
    ]


def test_outer_boundary_ends_inner_parts() -> None:
    """An unclosed inner multipart ends at the next boundary of the outer one."""
    raw = (
        b"Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: multipart/mixed; boundary=i\n\n"
        b"--i\n\none\n--o\n\ntwo"
    )

    assert leaves(raw) == [("text/plain", b"one"), ("text/plain", b"two")]


def test_part_whose_headers_never_end() -> None:
    """A part that is truncated in its headers has no body and does not affect other parts."""
    raw = b"Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: text/html\n--o\n\ntwo\n--o--\n"

    assert leaves(raw) == [("text/html", b""), ("text/plain", b"two")]


@pytest.mark.parametrize("boundary", [b"", b"; boundary=never-used"])
def test_multipart_without_parts_is_text(boundary: bytes) -> None:
    """A multipart without a boundary, or whose boundary never occurs, is text, and that is reported."""
    walk = Walk(b"Content-Type: multipart/mixed" + boundary + b"\n\nwords\n")
    (part,) = walk

    assert (part.type, walk.raw[part.start : part.end].strip()) == ("text/plain", b"words")
    assert len(walk.problems) == 1


def test_nested_message() -> None:
    """A nested message yields its header block, then its own parts; in a digest, it is the default type."""
    raw = b"Content-Type: multipart/digest; boundary=o\n\n--o\n\nSubject: inner\n\ninner text\n--o--\n"

    assert leaves(raw) == [("message/rfc822", b"Subject: inner"), ("text/plain", b"inner text")]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('Content-Disposition: attachment; filename="a b.pdf"', "a b.pdf"),
        ("Content-Type: a/b; name=only.pdf", "only.pdf"),
        (
            "Content-Disposition: attachment;\n filename*0*=utf-8''Pr%C3%BC;\n filename*1*=f%20;\n"
            ' filename*2="x.pdf"',
            "Prüf x.pdf",
        ),
        ("Content-Disposition: attachment; filename*=x-klingon''a%E4", "aä"),
        ('Content-Disposition: attachment; filename="=?iso-8859-1?Q?R=E9sum=E9=2Epdf?="', "Résumé.pdf"),
        ("Content-Disposition: attachment; filename=my file v2.pdf", "my file v2.pdf"),
        ('Content-Disposition: attachment; filename="../../etc/passwd"', "../../etc/passwd"),
        ("Content-Disposition: attachment; filename*=a; filename*0=b; filename*" + "9" * 5000 + "=c", None),
        ('Content-Disposition: attachment; filename=""', ""),
    ],
)
def test_attachment_names(header: str, expected: str | None) -> None:
    """File names are decoded in every coding that mailers use; broken ones cause no error."""
    (part,) = Walk(header.encode() + b"\n\nx")

    assert expected is None or part.name == expected


def test_raw_8bit_name() -> None:
    """A file name in raw 8-bit text is decoded."""
    (part,) = Walk(b'Content-Disposition: attachment; filename="K\xfcche.pdf"\n\nx')

    assert part.name == "Küche.pdf"


def test_part_bomb_is_bounded() -> None:
    """Of ten thousand parts, the first ones are read, and the excess is reported."""
    walk = Walk(b"Content-Type: multipart/mixed; boundary=o\n\n" + b"--o\n\nx\n" * 10_000)

    assert len(list(walk)) == MAX_PARTS
    assert walk.limits == [f"more than {MAX_PARTS} parts"]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", ["multipart", "message", "same-boundary"])
def test_nesting_bomb_is_bounded(kind: str) -> None:
    """Ten thousand levels neither overflow the stack nor take long; excessive depth is reported."""
    levels = range(10_000)
    if kind == "message":
        raw = b"Content-Type: message/rfc822\n\n" * len(levels)
    else:
        names = [b"o" if kind == "same-boundary" else b"b%d" % level for level in levels]
        raw = b"".join(b"Content-Type: multipart/mixed; boundary=" + n + b"\n\n--" + n + b"\n" for n in names)
    walk = Walk(raw + b"\ntext\n" * 50_000)
    parts = list(walk)

    assert len(parts) <= max(MAX_DEPTH, MAX_PARTS)
    assert walk.limits


@pytest.mark.timeout(60)
def test_fields_full_of_semicolons() -> None:
    """A thousand fields of 8 KiB that contain only semicolons in quotes are read quickly."""
    field = b'Content-Type: text/plain; charset=utf-8; name="' + b";" * 8000 + b'"\n\nx\n--a\n'
    (first, *others) = Walk(b"Content-Type: multipart/mixed; boundary=a\n\n--a\n" + field * 1000)

    assert (first.type, first.charset) == ("text/plain", "utf-8")
    assert len(others) == 1000


@given(
    st.lists(
        st.sampled_from(
            [
                b"Content-Type: multipart/mixed; boundary=a",
                b"Content-Type: message/rfc822",
                b"--a",
                b"--a--",
                b"",
                b"x",
                b"--",
            ]
        )
        | st.binary(max_size=20),
        max_size=30,
    ),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
)
@example([b"Content-Type: message/rfc822", b"", b"--a"], b"\n")
def test_no_structure_raises(lines: list[bytes], eol: bytes) -> None:
    """Any lines in any order are parsed; leaves lie within the message, in order."""
    walk = Walk(eol.join(lines))
    position = 0
    for part in walk:
        assert position <= part.start <= part.end <= len(walk.raw)
        position = part.start
