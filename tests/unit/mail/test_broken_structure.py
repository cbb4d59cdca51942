"""No text is lost to a broken MIME structure."""

from __future__ import annotations

import base64
import quopri
import time

import pytest

from muniment.mail.bodies import read_text
from muniment.model.text_problem import ProblemCode

_MIXED = b'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="outer"\n\n'
_BASE64 = b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n" + base64.b64encode(
    "wörtlich".encode()
)


def words_and_codes(raw: bytes) -> tuple[set[str], set[ProblemCode]]:
    """Return the words of all texts, and the codes of the problems."""
    body = read_text(raw, limit=1_000_000)
    return set(" ".join((body.text, *body.attached)).split()), {problem.code for problem in body.problems}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(_MIXED + b"The shipment leaves.\n", {"shipment"}, id="boundary never occurs"),
        pytest.param(_MIXED + b"--other\n" + _BASE64 + b"\n--other--\n", {"wörtlich"}, id="another boundary"),
        pytest.param(_MIXED + b"--other\n\none\n--other\n\ntwo\n--other--\n", {"one", "two"}, id="without headers"),
        pytest.param(
            _MIXED.replace(b'; boundary="outer"', b"") + b"--outer\n" + _BASE64 + b"\n--outer--\n",
            {"wörtlich"},
            id="no boundary parameter",
        ),
        pytest.param(_MIXED + b"text only\n--outer--\n", {"text", "only"}, id="closed at once"),
        pytest.param(_MIXED + b"--outer--\nafter the end\n", {"after", "end"}, id="only an epilogue"),
        pytest.param(
            _MIXED + b"--outer\nContent-Type: multipart/alternative; boundary=inner\n\ninner words\n--outer\n\nlast\n",
            {"inner", "words", "last"},
            id="inner boundary never occurs",
        ),
        pytest.param(
            b'Content-Type: multipart; boundary="b"\n\n--b\n\nwords\n--b--\n', {"words"}, id="multipart without subtype"
        ),
        pytest.param(
            b"Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: base64\n\n"
            + base64.encodebytes(b"--b\n\nhidden words\n--b--\n"),
            {"hidden", "words"},
            id="encoded as a whole",
        ),
        pytest.param(
            b"Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: quoted-printable\n\n"
            + quopri.encodestring(b"--b\nContent-Type: text/plain\n\nsoft words\n--b--\n").replace(b"-", b"=2D"),
            {"soft", "words"},
            id="quoted-printable as a whole",
        ),
    ],
)
def test_text_of_a_broken_multipart_is_kept_and_reported(raw: bytes, expected: set[str]) -> None:
    """The text of a multipart whose parts cannot be told apart is indexed, and the message is reported."""
    for content in (raw, raw.replace(b"\n", b"\r\n")):
        words, codes = words_and_codes(content)

        assert expected <= words
        assert not {"--outer", "--b", "Content-Type:"} & words or b"--outer--" in raw
        if b"--outer--" not in raw and b"without subtype" not in raw and b"multipart; " not in raw:
            assert ProblemCode.STRUCTURE in codes


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(_MIXED + b"--outer  \n\nwords\n--outer-- \n", {"words"}, id="blanks after the delimiter"),
        pytest.param(
            _MIXED + b"--outer\nContent-Type: multipart/mixed; boundary=outer\n\n--outer\n\none\n--outer--\n"
            b"--outer\n\ntwo\n--outer--\n",
            {"one", "two"},
            id="inner boundary equal to the outer one",
        ),
        pytest.param(
            _MIXED + b"--outer\nContent-Type: multipart/mixed; boundary=out\n\n--out\n\none\n--out--\n"
            b"--outer\n\ntwo\n--outer--\n",
            {"one", "two"},
            id="inner boundary is a prefix",
        ),
        pytest.param(_MIXED + b"--outer\n\none\n--outer--\n--outer\n\ntwo\n", {"one", "two"}, id="parts after the end"),
        pytest.param(
            _MIXED + b"--outer\nContent-Type: text/plain\nHello there\n", {"Hello", "there"}, id="no blank line"
        ),
        pytest.param(_MIXED + b"--outer\nHello there\nNote: all\n\nof it\n", {"Hello", "of", "Note:"}, id="no header"),
        pytest.param(
            b"Subject: x\nFrom: a@b.example\nno blank line\n", {"blank", "line"}, id="message without blank line"
        ),
        pytest.param(_MIXED + b"an unusual notice\n--outer\n\nwords\n", {"unusual", "words"}, id="preamble"),
        pytest.param(_MIXED + b"--outer\n\nwords\n--outer--\nlist footer\n", {"words", "footer"}, id="epilogue"),
        pytest.param(b"X: " + b"x" * 400_000 + b"\nSubject: s\n\nlate words\n", {"late", "words"}, id="huge header"),
        pytest.param(
            _MIXED
            + b"--outer\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n"
            + base64.encodebytes(b"Subject: forwarded\nTo: c@d.example\n\ninner words\n"),
            {"forwarded", "c@d.example", "inner"},
            id="encoded message",
        ),
    ],
)
def test_text_anywhere_in_a_message_is_indexed(raw: bytes, expected: set[str]) -> None:
    """Text is found wherever it stands, for every line ending."""
    for content in (raw, raw.replace(b"\n", b"\r\n")):
        assert expected <= words_and_codes(content)[0]


def test_the_usual_notice_before_the_parts_is_not_text() -> None:
    """What mailers write for programs without MIME does not make every message a match for its words."""
    words, codes = words_and_codes(
        _MIXED + b"This is a multi-part message in MIME format.\n\n--outer\n\nwords\n--outer--\n"
    )

    assert (words, codes) == ({"words"}, set())


@pytest.mark.parametrize(
    "encoding", ["base-64", "BASE64;", "b64", "x-base64", '"base64"', "base64 (encoded)", "Base 64", "mime-base64"]
)
def test_misspelt_base64_is_decoded(encoding: str) -> None:
    """A misspelt name of a transfer encoding means what it resembles."""
    raw = f"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: {encoding}\n\nw5xidW5n\n".encode()

    assert words_and_codes(raw) == ({"Übung"}, set())


@pytest.mark.parametrize(
    "encoding", ["quoted printable", "quoted_printable", "QP", "quoted-printable;", "quotedprintable"]
)
def test_misspelt_quoted_printable_is_decoded(encoding: str) -> None:
    """The same for quoted-printable."""
    raw = f"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: {encoding}\n\n=C3=9Cbung\n".encode()

    assert words_and_codes(raw) == ({"Übung"}, set())


@pytest.mark.parametrize("encoding", ["8-bit", "binary8", "8bitmime", "8 bit", "none"])
def test_names_for_no_encoding(encoding: str) -> None:
    """The misspelt names of the identity encodings are no problem."""
    raw = f"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: {encoding}\n\nÜbung\n".encode()

    assert words_and_codes(raw) == ({"Übung"}, set())


def test_plain_footer_after_base64_stays_text() -> None:
    """A footer that a mailing list appends to base64 is read as it is, and does not garble the text."""
    packed = base64.encodebytes("Die Übung beginnt am Montag um zehn Uhr, bitte pünktlich sein.".encode())
    head = b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n"
    words, codes = words_and_codes(head + packed + b"\n-- \nOur list footer\nhttp://list.example/\n")

    assert {"pünktlich", "footer"} <= words
    assert codes == {ProblemCode.ENCODING}


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("base64", base64.b64encode(b"one two three four")[:-3]),
        ("base64", b"b25l!!IHR3bw=="),
        ("quoted-printable", b"one two=4"),
        ("x-uuencode", b"begin 644 x\n#0V%T\n#\x80\x80\n"),
    ],
)
def test_damaged_encodings_are_reported(encoding: str, body: bytes) -> None:
    """Truncated and garbled encodings are decoded as far as possible, and reported."""
    raw = b"Content-Transfer-Encoding: " + encoding.encode() + b"\n\n" + body

    assert words_and_codes(raw)[1] == {ProblemCode.ENCODING}


def test_yenc_files_are_attachments() -> None:
    """A yEnc file in a text is an attachment; a wrong checksum is reported."""
    data = bytes(range(256)) + b"=\r\n\0"
    packed = b"".join(
        b"=" + bytes([(byte + 106) & 0xFF]) if (byte + 42) & 0xFF in b"\0\r\n=" else bytes([(byte + 42) & 0xFF])
        for byte in data
    )
    text = (
        b"see below\n=ybegin line=999 size=260 name=cat photo.txt\n"
        + packed
        + b"\n=yend size=260 crc32=00000000\nbye\n"
    )
    body = read_text(b"Subject: x\n\n" + text, limit=1000)

    assert [(one.name, one.data) for one in body.attachments] == [("cat photo.txt", data)]
    assert body.text.split() == ["see", "below", "bye"]
    assert [problem.code for problem in body.problems] == [ProblemCode.ENCODING]


@pytest.mark.parametrize(
    "raw",
    [
        _MIXED + b"--x\nContent-Type: multipart/mixed; boundary=y\n\n--z\n" * 50_000,
        _MIXED + b"--outer\nContent-Type: multipart/mixed\n\n--q\n\nx\n--q--\n" * 20_000,
        b"Content-Type: multipart/mixed\n\n" * 100_000,
        b"Subject: x\n\n" + b"=ybegin line=1 size=1 name=a\n" * 300_000,
        b"X: " + b"y" * 20_000_000,
        b"From x\n" * 1_000_000,
        _MIXED + b"--outer\nno colon\n" * 100_000,
    ],
    ids=["guesses", "no boundaries", "headers", "yenc", "long line", "no field", "no headers"],
)
def test_broken_structures_take_linear_time(raw: bytes) -> None:
    """Hundreds of thousands of broken parts and lines of megabytes are read within seconds of CPU time."""
    began = time.process_time()
    read_text(raw, limit=2_000_000)

    assert time.process_time() - began < 20
