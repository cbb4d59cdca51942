from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.attachments import limits
from muniment.attachments.child import Request, answer
from muniment.attachments.kinds import Kind, kind_of
from muniment.settings import READ_KINDS
from tests.unit.attachments import documents
from tests.unit.attachments.documents import zipped

TEXT = "zebra crossing"
MESSAGE = (
    b"Subject: inner\nFrom: a@b.example\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\nzebra crossing\n--x--\n"
)


_FILES = [
    ("a.pdf", "application/pdf", documents.pdf(TEXT), Kind.PDF, TEXT),
    ("named.txt", "text/plain", documents.pdf(TEXT), Kind.PDF, TEXT),
    ("a.docx", "", documents.word(TEXT), Kind.WORD, f"{TEXT}|tablecell|footnoted"),
    ("old.doc", "application/msword", documents.word(TEXT), Kind.WORD, TEXT),
    ("a.pptx", "", documents.presentation(TEXT), Kind.PRESENTATION, f"{TEXT}|speakernotes"),
    ("a.xlsx", "", documents.spreadsheet(TEXT), Kind.SPREADSHEET, f"{TEXT}|Sheetname|4711"),
    ("a.odt", "", documents.open_text(TEXT), Kind.WORD, f"{TEXT} behind"),
    ("a.odp", "", documents.open_text(TEXT, "presentation"), Kind.PRESENTATION, TEXT),
    ("a.ics", "", b"BEGIN:VEVENT\nSUMMARY:zebra\n  crossing\nUID:hidden\nEND:VEVENT\n", Kind.TEXT, TEXT),
    ("a.rtf", "application/rtf", documents.rtf(TEXT), Kind.RTF, TEXT),
    ("a.html", "text/html", b"<p>zebra <b>cross</b>ing<script>hidden", Kind.HTML, TEXT),
    ("a.csv", "", b"zebra crossing;1\n", Kind.TEXT, TEXT),
    ("a.txt", "", "\ufeffzebra crossing".encode("utf-16"), Kind.TEXT, TEXT),
    ("a.eml", "application/octet-stream", MESSAGE, Kind.MESSAGE, f"inner|{TEXT}"),
    (
        "a.zip", "", zipped({"in.txt": TEXT, "d/in.pdf": documents.pdf("giraffe")}),
        Kind.ARCHIVE, f"{TEXT}|giraffe|in.pdf",
    ),
    ("a.txt.gz", "", documents.gzipped(TEXT.encode()), Kind.ARCHIVE, TEXT),
    (
        "winmail.dat", "application/ms-tnef", documents.tnef(TEXT, "in.txt", b"giraffe"),
        Kind.TNEF, f"{TEXT}|in.txt|giraffe",
    ),
    ("smime.p7m", "application/pkcs7-mime", documents.signed(TEXT), Kind.SMIME, TEXT),
    ("a.jpg", "image/jpeg", b"\xff\xd8\xff\xe0zebra", Kind.IMAGE, ""),
    ("a.bin", "application/octet-stream", b"zebra", Kind.OTHER, ""),
]  # fmt: skip


# Names as ids: the bytes are others with every collection, and workers of pytest-xdist must collect the same.
@pytest.mark.parametrize(("name", "type_", "data", "kind", "words"), _FILES, ids=[file[0] for file in _FILES])
def test_every_kind_is_read(name: str, type_: str, data: bytes, kind: Kind, words: str) -> None:
    """Each kind is recognised by its bytes or its name, and its text is extracted with phrases intact."""
    result = answer(Request(name, type_, data))

    assert kind_of(name, type_, data) is kind
    assert result.problem == ""
    assert [word for word in words.split("|") if word not in result.text.replace("\t", " ")] == []
    assert "hidden" not in result.text


def test_the_switch_knows_every_kind() -> None:
    """The setting accepts exactly the kinds for which there are readers."""
    assert {kind.value for kind in Kind if kind.is_read} == READ_KINDS


@pytest.mark.parametrize(
    ("name", "data", "problem"),
    [
        ("cut.pdf", documents.pdf(TEXT)[:40], "damaged: PdfiumError"),
        ("cut.docx", documents.word(TEXT)[:300], "damaged"),
        ("old.doc", b"\xd0\xcf\x11\xe0" + bytes(600), "before 2007"),
        ("locked.p7m", documents.encrypted(TEXT), "encrypted with S/MIME"),
        ("broken.p7m", b"\x30\x80nonsense", "damaged"),
        ("broken.dat", b"\x78\x9f\x3e\x22\x01", "damaged"),
        ("inside.zip", zipped({"bad.docx": zipped({"word/document.xml": "<"}), "good.txt": TEXT}), ""),
        ("bad.zip", zipped({"bad.pdf": b"%PDF-1.4 nothing", "good.txt": TEXT}), "a nested attachment is damaged"),
    ],
)
def test_damage_has_a_reason(name: str, data: bytes, problem: str) -> None:
    """Unreadable content has a reason, and the readable content beside it is extracted."""
    result = answer(Request(name, "", data))

    assert problem in result.problem
    assert TEXT in result.text or "good" not in str(data)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (zipped({"zeros": bytes(limits.UNPACKED_BYTES + 1)}), "unpacks to more than"),
        (documents.gzipped(bytes(limits.UNPACKED_BYTES + 1)), "unpacks to more than"),
        (zipped({f"f{number}": "" for number in range(limits.MEMBERS + 5)}), "too many members"),
        (
            zipped(
                {"[Content_Types].xml": "", "word/document.xml": "<a>" + " " * (limits.UNPACKED_BYTES + 1) + "</a>"}
            ),
            "unpacks to more than",
        ),
        (
            zipped({"[Content_Types].xml": "", "word/document.xml": "<w:t>" * 5000}),
            "damaged",
        ),
    ],
)
def test_bombs_are_bounded(data: bytes, problem: str) -> None:
    """Attachments that unpack to too much, or are nested too deeply, are abandoned soon, with the reason."""
    began = time.process_time()
    result = answer(Request("bomb.zip", "", data))

    assert problem in result.problem
    assert time.process_time() - began < 10  # of CPU time; reading takes a second


def test_nesting_is_bounded() -> None:
    """Nested archives are opened down to the maximum depth."""
    data = zipped({"innermost.txt": TEXT})
    for depth in range(8):
        data = zipped({f"level{depth}.zip": data})
    result = answer(Request("deep.zip", "", data))

    assert "nested deeper" in result.problem
    assert TEXT not in result.text


def test_entities_are_not_expanded() -> None:
    """A document cannot include local files or expand entities exponentially (billion laughs)."""
    evil = (
        '<!DOCTYPE w [<!ENTITY x SYSTEM "file:///etc/passwd"><!ENTITY l "lol"><!ENTITY m "&l;&l;&l;&l;&l;&l;&l;&l;">]>'
        '<w:d xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:t>&x;</w:t><w:t>&m;</w:t></w:d>'
    )
    result = answer(Request("evil.docx", "", zipped({"[Content_Types].xml": "", "word/document.xml": evil})))

    assert "root:" not in result.text
    assert "lol" not in result.text


def test_long_text_is_cut() -> None:
    """Text beyond the limit is omitted, and the problem says so."""
    result = answer(Request("long.txt", "", b"word " * limits.TEXT_CHARACTERS))

    assert len(result.text) == limits.TEXT_CHARACTERS
    assert "characters was omitted" in result.problem


@given(
    st.sampled_from(
        [
            "a.docx",
            "a.pdf",
            "a.zip",
            "a.rtf",
            "a.xls",
            "a.odt",
            "a.eml",
            "a.p7m",
            "winmail.dat",
            "a.html",
            "a.msg",
            "a.tar",
            "a.tgz",
            "a.mbox",
            "a.mht",
            "a.xml",
            "a.fods",
        ]
    ),
    st.sampled_from(
        [
            b"",
            b"PK\x03\x04",
            b"%PDF-1.4\n",
            b"{\\rtf1",
            b"\x78\x9f\x3e\x22",
            b"\x1f\x8b\x08",
            b"0\x80",
            b"BZh91AY&SY",
            b"\xfd7zXZ\0",
            b"From a\n",
        ]
    ),
    st.binary(max_size=300),
)
def test_no_bytes_raise(name: str, beginning: bytes, rest: bytes) -> None:
    """Whatever an attachment claims to be and is, reading it gives a result that PostgreSQL can store."""
    result = answer(Request(name, "", beginning + rest))

    (result.text + result.problem).encode("utf-8")
    assert "\0" not in result.text + result.problem
