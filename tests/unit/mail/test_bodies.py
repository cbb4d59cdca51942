from __future__ import annotations

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.mail.bodies import BodyText, read_text


def words_of(body: BodyText) -> str:
    """Return the problems in words."""
    return "; ".join(body.lost)


def text_of(head: str, body: bytes) -> BodyText:
    return read_text(head.encode() + b"\r\n\r\n" + body, limit=10_000)


@pytest.mark.parametrize(
    ("head", "body", "expected"),
    [
        ("Subject: x", b"plain", "plain"),
        ("Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64", b"R3LDvMOfZQ==", "Grüße"),
        (
            "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable",
            b"Gr=FC=\r\n=DFe",
            "Grüße",
        ),
        ("Content-Type: text/html; charset=utf-8", "<p>Grü<b>ße</b></p>".encode(), "Grüße"),
        ("Content-Type: text/html", '<meta charset="koi8-r">Привет'.encode("koi8-r"), "Привет"),
        ("Content-Type: text/plain; charset=utf-16", "\ufeffjô".encode("utf-16-le"), "jô"),
        ("Content-Transfer-Encoding: x-uuencode", b"begin 644 a.txt\n#0V%T\n`\nend\n", "Cat"),
        ("Content-Type: text/plain; charset=utf-8", "nul\0 jô".encode(), "nul jô"),
        ("Content-Type: text/html", b"a&#0;&#xD800;b", "a\ufffd\ufffdb"),
        ("Content-Type: text/plain", "ü ohne Angabe".encode(), "ü ohne Angabe"),
        ("Content-Type: application/pdf", b"%PDF", ""),
        ("Content-Type: nonsense", b"text", "text"),
    ],
)
def test_text_of_one_part(head: str, body: bytes, expected: str) -> None:
    """Text in any transfer encoding and charset is read without a problem."""
    found = text_of(head, body)

    assert (found.text, found.problems) == (expected, ())


@pytest.mark.parametrize(
    ("head", "body", "expected", "problem"),
    [
        ("Content-Transfer-Encoding: base64", b"!!SGVsbG8g*d29y#bGQ=", "Hello world", "damaged base64"),
        ("Content-Transfer-Encoding: base64", b"SGVsbG8", "Hello", "damaged base64"),
        ("Content-Transfer-Encoding: base64", b"SGVsbG8gd", "Hello", "damaged base64"),
        ("Content-Transfer-Encoding: base64", b"SGVsbG8=IHlvdQ==", "Hello you", ""),
        (
            "Content-Transfer-Encoding: quoted-printable",
            b"good=20=ZZ=3 end=",
            "good =ZZ=3 end",
            "damaged quoted-printable",
        ),
        ("Content-Transfer-Encoding: x-zip", b"plain", "plain", "unknown transfer encoding 'x-zip'"),
        (
            "Content-Type: text/plain; charset=x-klingon",
            b"plain",
            "plain",
            "charset 'x-klingon' is wrong or unknown: it was guessed",
        ),
        ("Content-Type: text/plain", b"F\xfc\xdfe", "Füße", "8-bit text without a declared charset: it was guessed"),
        ('Content-Type: text/plain; charset="utf-8\n x', "jô".encode(), "jô", ""),
    ],
)
def test_broken_parts(head: str, body: bytes, expected: str, problem: str) -> None:
    """Damaged encodings and wrong labels yield as much text as possible, and the problem is reported."""
    found = text_of(head, body)

    assert (found.text, words_of(found)) == (expected, problem)


def test_attachments_and_nested_messages() -> None:
    """Attached text, nested messages (including encoded ones) and all file names are found."""
    inner = b"Subject: inner subject\nFrom: i@inner.example\n\ninner words"
    raw = (
        b"Content-Type: multipart/mixed; boundary=o\n\n--o\n\nouter words\n"
        b"--o\nContent-Type: text/plain; name=a.txt\nContent-Disposition: attachment\n\nattached words\n"
        b"--o\nContent-Type: application/pdf; name=b.pdf\n\n%PDF\n"
        b"--o\nContent-Type: message/rfc822; name=fwd.eml\n\n" + inner + b"\n"
        b"--o\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n"
        + base64.encodebytes(inner.replace(b"inner", b"packed"))
        + b"--o--\n"
    )
    body = read_text(raw, limit=1000)

    assert body.text.split() == [
        *("outer", "words"),
        *("inner", "subject", "i@inner.example", "inner", "words"),
        *("packed", "subject", "i@packed.example", "packed", "words"),
    ]
    assert body.attachment_names == ("a.txt", "b.pdf", "fwd.eml")
    assert body.attached == ("attached words",)
    assert [(one.name, one.type, one.data) for one in body.attachments] == [("b.pdf", "application/pdf", b"%PDF")]
    assert body.has_attachment
    assert body.problems == ()


def test_limit() -> None:
    """Text beyond the limit is truncated, and the truncation is reported."""
    body = read_text(b"Content-Type: multipart/mixed; boundary=o\n\n" + b"--o\n\n0123456789\n" * 5, limit=25)

    assert len(body.text) == 25
    assert words_of(body) == "text truncated at the limit"


@given(st.binary(max_size=500))
def test_no_bytes_raise(raw: bytes) -> None:
    """Any bytes yield text that PostgreSQL can store."""
    _check(read_text(raw, limit=200))


@given(
    st.sampled_from(["text/html", "text/plain", "message/rfc822", "text/calendar"]),
    st.sampled_from(["base64", "quoted-printable", "x-uuencode", "8bit", "x"]),
    st.sampled_from(["utf-7", "utf-16", "iso-2022-jp", "hz", "gb18030", "ascii", "?"]),
    st.binary(max_size=200),
)
def test_no_part_raises(kind: str, encoding: str, charset: str, body: bytes) -> None:
    """Any body with any MIME headers yields text that PostgreSQL can store."""
    _check(text_of(f"Content-Type: {kind}; charset={charset}\nContent-Transfer-Encoding: {encoding}", body))


def _check(body: BodyText) -> None:
    for text in (body.text, *body.attachment_names, words_of(body)):
        text.encode("utf-8")
        assert "\0" not in text
    assert len(body.text) <= 10_000


@pytest.mark.parametrize(
    ("parameters", "body", "expected"),
    [
        ("format=flowed", "one \r\nparagraph\r\nanother", "one paragraph\nanother"),
        ("format=flowed; delsp=yes", "日本 \r\n語", "日本語"),
        ("format=flowed", "> quoted \r\n> text\r\nanswer", "quoted text\nanswer"),
        ("format=flowed", "> quoted \r\nanswer", "quoted\nanswer"),
        ("format=flowed", "text \r\n-- \r\nsignature", "text \n-- \nsignature"),
        ("format=flowed", " stuffed", "stuffed"),
        ("format=fixed", "one \r\nline", "one \r\nline"),
    ],
)
def test_flowed_text_is_joined(parameters: str, body: str, expected: str) -> None:
    """Flowed lines form one paragraph, so that phrases across line breaks are found (RFC 3676)."""
    found = text_of(f"Content-Type: text/plain; charset=utf-8; {parameters}", body.encode())

    assert [line.rstrip() for line in found.text.splitlines()] == [line.rstrip() for line in expected.splitlines()]


def test_files_within_a_text_are_taken_out() -> None:
    """Uuencoded files, as sent before MIME, are attachments; a file without an end marker stays text."""
    found = text_of("Subject: x", b"before\nbegin 644 cat.txt\n#0V%T\n`\nend\nafter\nbegin 644 open.txt\n#0V%T\n")

    assert found.text.split() == ["before", "after", "begin", "644", "open.txt", "#0V%T"]
    assert [(one.name, one.data) for one in found.attachments] == [("cat.txt", b"Cat")]
    assert found.attachment_names == ("cat.txt",)
    assert found.has_attachment
    assert found.lost == ("a file within the text has no end",)


@pytest.mark.parametrize(
    "raw",
    [
        b"Subject: x\n\nhello\n-----BEGIN PGP MESSAGE-----\n\nhQEMA\n-----END PGP MESSAGE-----\n",
        b"Content-Type: multipart/encrypted; boundary=x\n\n--x\nContent-Type: application/pgp-encrypted\n\nVersion: 1\n"
        b"--x\nContent-Type: application/octet-stream\n\n-----BEGIN PGP MESSAGE-----\n--x--\n",
    ],
)
def test_encrypted_mail_is_marked(raw: bytes) -> None:
    """Encrypted content is reported as such."""
    assert read_text(raw, limit=1000).lost == ("encrypted with PGP",)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("Content-Type: application/pdf; name=a.pdf", True),
        ("Content-Type: text/plain\nContent-Disposition: attachment", True),
        ("Content-Type: image/png; name=logo.png\nContent-Disposition: inline", False),
        ("Content-Type: image/png; name=photo.png\nContent-Disposition: attachment", True),
        ("Content-Type: application/pgp-signature; name=signature.asc", False),
        ("Content-Type: text/plain", False),
    ],
)
def test_what_people_call_an_attachment(head: str, expected: bool) -> None:
    """Inline pictures and signatures are not attachments."""
    assert text_of(head, b"x").has_attachment is expected


@pytest.mark.parametrize(
    "raw",
    [
        b"Content-Type: multipart/mixed; boundary=o\n\n" + b"--o\nContent-Type: text/plain; name=x.txt\n\nw\n" * 10_000,
        b"Subject: x\n\n" + b"begin 644 a\n" * 300_000,
        b"Content-Type: text/plain; format=flowed\n\n" + b"> \n" * 500_000,
        b"Content-Type: text/plain; format=flowed\n\n" + b"a \n" * 4_000_000,
        b"Content-Type: multipart/mixed; boundary=o\n\n" + (b"--o\nContent-Type: text/html\n\n" + b"<a>" * 3000) * 4000,
        b"Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Transfer-Encoding: base64\n"
        b"Content-Type: application/x\n\n" + b"QUJD\n" * 1_000_000,
    ],
)
def test_bombs_take_linear_time(raw: bytes) -> None:
    """Ten thousand parts, files without an end, millions of lines and tags are read within seconds of CPU time."""
    began = time.process_time()
    read_text(raw, limit=2_000_000)

    assert time.process_time() - began < 10


def test_a_message_that_is_called_a_file_is_read_as_one() -> None:
    """A forwarded message without a type or an extension is read; other files are left to their readers."""
    inner = b"MIME-Version: 1.0\r\nX-Status: 1\r\nFrom: z@x.example\r\nSubject: forwarded\r\n\r\ninner words\r\n"
    head = 'Content-Type: application/octet-stream; name="ForwardedMessage"\nContent-Transfer-Encoding: base64'

    assert text_of(head, base64.encodebytes(inner)).text.split() == ["forwarded", "z@x.example", "inner", "words"]
    assert text_of(head, base64.encodebytes(b"Name: value\n\nno message")).text == ""
