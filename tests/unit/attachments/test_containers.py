"""Files in files, and texts that stand beside the main text of a document."""

from __future__ import annotations

import io
import zipfile

import pytest

from muniment.attachments.child import Request, answer
from muniment.attachments.kinds import Kind, kind_of
from muniment.attachments.lines import mend_words
from tests.unit.attachments import documents
from tests.unit.attachments.containers import (
    compressed,
    container,
    outlook_message,
    outlook_storage,
    packed_tar,
    rich_pdf,
)
from tests.unit.attachments.documents import zipped

INVOICE = (
    b'<?xml version="1.0" encoding="UTF-8"?><rsm:Invoice><ram:ID>RG4711</ram:ID><ram:C unitCode="H87">2</ram:C>'
    b"</rsm:Invoice>"
)
MAIL = b"Subject: betreffwort\r\nFrom: a@b.example\r\nDate: Tue, 05 Mar 2024 10:00:00 +0000\r\n\r\nrumpfwort\r\n"
MHT = (
    b"From: <Saved by Blink>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=b\r\n\r\n--b\r\n"
    b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    b"<p>m=C3=BCllwort</p>\r\n--b--\r\n"
)
PDF = rich_pdf("seitenwort", "notizwort", "formwert", "titelwort", "factur-x.xml", INVOICE)
_WIDE = "utf-16-le"
MESSAGE = outlook_message(
    "betreffwort",
    {"1000001F": "rumpf".encode(_WIDE)},
    {"Inner": outlook_storage("innenbetreff", {"1000001F": "innenrumpf".encode(_WIDE)})},
)
_CYRILLIC = "Съешь же ещё этих мягких французских булок"


def texts(name: str, data: bytes, problem: str = "", type_: str = "") -> str:
    """Return the text that is read, on one line."""
    result = answer(Request(name, type_, data))
    assert result.problem == problem
    return " ".join(result.text.split())


ARCHIVES = {
    "a.tar": packed_tar({"dir/in.txt": b"innenwort"}),
    "a.tar.gz": packed_tar({"dir/in.txt": b"innenwort"}, "gz"),
    "a.tgz": packed_tar({"dir/in.txt": b"innenwort"}, "gz"),
    "a.tar.bz2": packed_tar({"dir/in.txt": b"innenwort"}, "bz2"),
    "a.tar.xz": packed_tar({"dir/in.txt": b"innenwort"}, "xz"),
    "nameless": packed_tar({"dir/in.txt": b"innenwort"}, "gz"),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_archives_of_every_kind_are_opened(name: str) -> None:
    """The names and texts in a TAR are read, however it is compressed and whatever it is called."""
    assert kind_of(name, "application/octet-stream", ARCHIVES[name]) is Kind.ARCHIVE
    assert texts(name, ARCHIVES[name]) == "dir/in.txt innenwort"


@pytest.mark.parametrize("how", ["bz2", "xz", "zst"])
def test_single_compressed_files_are_opened(how: str) -> None:
    """A compressed file is read as what its name without the suffix says."""
    assert texts(f"a.csv.{how}", compressed(b"zelle;zwei", how)) == "zelle;zwei"
    assert texts(f"a.docx.{how}", compressed(documents.word("absatz"), how)).startswith("absatz")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"7z\xbc\xaf\x27\x1c" + bytes(40), "no reader for 7z archives"),
        (b"Rar!\x1a\x07\x01\x00" + bytes(40), "no reader for RAR archives"),
        (zipped({"setup.exe": b"MZ"}), "no reader for .exe files"),
        (container({"EncryptedPackage": b"x", "EncryptionInfo": b"y"}), "encrypted with a password"),
        (zipped({"mimetype": "application/vnd.oasis.opendocument.text", "content.xml": "x",
                 "META-INF/manifest.xml": "<m><encryption-data/></m>"}), "encrypted with a password"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said(data: bytes, problem: str) -> None:
    """Archives without a reader, foreign files within archives and encrypted documents have a reason."""
    name = "a.docx" if "encrypted" in problem else "a"

    assert answer(Request(name, "application/octet-stream", data)).problem == problem


def test_names_in_zips_are_utf8() -> None:
    """A name that is UTF-8 without the flag is read as such."""
    data = zipped({"Übersicht.txt": "x"})
    unflagged = data.replace(b"\x00\x08\x08\x00", b"\x00\x00\x08\x00")

    assert unflagged != data
    assert texts("a.zip", unflagged).startswith("Übersicht.txt")


def test_time_that_is_over_is_said() -> None:
    """What was read until then is kept, and the answer says that more time would give more."""
    result = answer(Request("a.txt", "", b"zebra", seconds=-1.0))

    assert (result.text, result.late) == ("zebra", True)


@pytest.mark.parametrize("how", ["bz2", "xz", "gz"])
def test_compressed_bombs_are_bounded(how: str) -> None:
    """A small file that unpacks to very much is abandoned."""
    result = answer(Request(f"a.tar.{how}", "", packed_tar({"zeros": bytes(65 * 1024 * 1024)}, how)))

    assert result.problem == "it unpacks to more than 64 MiB"


@pytest.mark.parametrize(
    ("body", "page"),
    [
        ({"1000001F": "rümpfwort".encode(_WIDE)}, 0),
        ({"1000001E": "rümpfwort".encode("cp1252")}, 1252),
        ({"10130102": "<p>rümpf<b>wort</b></p>".encode("cp1250")}, 1250),
        ({"10130102": "<p>rümpfwort</p>".encode()}, 65001),
        ({"10090102": b"{\\rtf1\\ansi r\\'fcmpfwort}"}, 0),
    ],
)
def test_outlook_messages_are_read(body: dict[str, bytes], page: int) -> None:
    """Subject, people, body, attachments and inner messages of a .msg are found, with or without its name."""
    inner = outlook_storage("innenbetreff", {"1000001F": "innenrumpf".encode(_WIDE)})
    data = outlook_message("betreffwort", body, {"bericht.txt": b"anhangwort".ljust(5000), "Inner": inner}, page)
    expected = "betreffwort Petra Absender empfang@firma.example rümpfwort bericht.txt anhangwort Inner innenbetreff"

    for name, type_ in (("a.msg", ""), ("nameless", "application/octet-stream")):
        assert kind_of(name, type_, data) is Kind.MESSAGE
        assert texts(name, data, type_=type_).startswith(expected)
    assert "innenrumpf" in texts("a.msg", data)


def test_mailbox_files_are_read() -> None:
    """Every message of a mailbox file is found."""
    box = (
        b"From a Tue Mar  5 10:00:00 2024\n"
        + MAIL
        + b"\nFrom b Tue Mar  5 10:00:00 2024\n"
        + MAIL.replace(b"wort", b"zwei")
    )
    found = texts("backup.mbox", box)

    assert [word for word in ("betreffwort", "rumpfwort", "betreffzwei", "rumpfzwei") if word not in found] == []
    assert kind_of("nameless", "application/octet-stream", box) is Kind.MESSAGE


@pytest.mark.parametrize(
    ("name", "type_"),
    [("page.mht", "application/octet-stream"), ("page.mhtml", ""), ("x", "multipart/related"), ("x", "")],
)
def test_saved_pages_are_read(name: str, type_: str) -> None:
    """A page that was saved as MHTML is decoded."""
    assert "müllwort" in texts(name, MHT, type_=type_)
    assert "C3" not in texts(name, MHT, type_=type_)


def test_messages_without_a_name_are_recognised() -> None:
    """A forwarded message that is sent as octets is told by its header; text with colons is not."""
    assert kind_of("ForwardedMessage", "application/octet-stream", b"X-Mozilla-Status: 0001\r\n" + MAIL) is Kind.MESSAGE
    assert kind_of("notes", "application/octet-stream", b"Note: one\nTo do: two\n") is Kind.OTHER
    assert "rumpfwort" in texts("ForwardedMessage", MAIL, type_="application/octet-stream")


def test_everything_in_a_pdf_is_read() -> None:
    """Pages, notes, form values, titles, links, outlines and embedded files of a PDF are found."""
    found = texts("a.pdf", PDF)
    words = (
        "seitenwort notizwort Annotator formwert titelwort Autorin schluesselwort Gliederungspunkt factur-x.xml RG4711"
        " H87 https://ziel.example/pfad pin.txt pinnedwort"
    )

    assert [word for word in words.split() if word not in found] == []
    assert "ram" not in found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Immo\ufffebilien", ["Immobilien", "Immo-bilien"]),
        ("Wasser\x02kraft", ["Wasserkraft", "Wasser-kraft"]),
        ("Wasser\xad\r\nkraft", ["Wasserkraft", "Wasser-kraft"]),
        ("Wasser-\nkraft", ["Wasserkraft", "Wasser-kraft"]),
        ("Wasser\u2010\r\n  kraft", ["Wasserkraft", "Wasser-kraft"]),
        ("Nord-\nSüd", ["Nord-Süd", "NordSüd"]),
        ("Do\ufffenau\ufffedampf", ["Donaudampf", "Do-nau-dampf"]),
        ("2023-\n2024", ["2023-2024", "20232024"]),
        ("1 -\n2", ["1 -", "2"]),
        ("left-hand side\nnext", ["left-hand side", "next"]),
    ],
)
def test_broken_words_are_mended(text: str, words: list[str]) -> None:
    """A word that a line end divides is there as a whole and with its hyphen; other hyphens stay."""
    assert mend_words(text).split("\n") == words


def test_mending_takes_linear_time() -> None:
    """No text makes the search for broken words try again and again."""
    for text in ("a" * 1_000_000, "a-" * 500_000, "a\ufffe" * 500_000, "a-\n " * 250_000, "\xad " * 500_000):
        assert len(mend_words(text)) >= len(text) // 3


_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_DRAWING = "http://schemas.openxmlformats.org/drawingml/2006/main"
_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_CHART = (
    f'<c:chart xmlns:c="c" xmlns:a="{_DRAWING}"><c:title><c:tx><c:rich>'
    "<a:p><a:r><a:t>diagrammtitel</a:t></a:r></a:p></c:rich>"
    "</c:tx></c:title><c:ser><c:strCache><c:pt><c:v>reihenname</c:v></c:pt></c:strCache></c:ser></c:chart>"
)
_CORE = (
    '<cp:p xmlns:cp="cp" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>doktitel</dc:title>'
    "<dc:creator>dokautor</dc:creator><cp:keywords>dokschluessel</cp:keywords></cp:p>"
)


def _with(document: bytes, extra: dict[str, bytes | str]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(document)) as archive:
        return zipped({**{name: archive.read(name) for name in archive.namelist()}, **extra})


def test_everything_in_a_word_document_is_read() -> None:
    """Comments with their authors, headers, deleted text, charts, text boxes, properties and embedded files."""
    body = (
        f'<w:document xmlns:w="{_WORD}" xmlns:v="v"><w:body>'
        '<w:p><w:docPr descr="bildtext"/></w:p><w:p><w:r><w:t>zer</w:t></w:r><w:del><w:r><w:delText>'
        "geloescht</w:delText></w:r></w:del><w:r><w:t>teilt</w:t></w:r><w:r><w:noBreakHyphen/><w:t>strich</w:t></w:r>"
        "<v:textbox><w:txbxContent><w:p><w:r><w:t>kasten</w:t></w:r></w:p></w:txbxContent></v:textbox></w:p></w:body>"
        "</w:document>"
    )
    comment = (
        f'<w:comments xmlns:w="{_WORD}"><w:comment w:author="Kommentatorin"><w:p><w:r><w:t>kommentar</w:t></w:r>'
        "</w:p></w:comment></w:comments>"
    )
    header = f'<w:hdr xmlns:w="{_WORD}"><w:p><w:r><w:t>kopfzeile</w:t></w:r></w:p></w:hdr>'
    found = texts(
        "a.docx",
        _with(
            documents.word("x"),
            {
                "word/document.xml": body,
                "word/comments.xml": comment,
                "word/header1.xml": header,
                "word/charts/chart1.xml": _CHART,
                "docProps/core.xml": _CORE,
                "word/embeddings/Tabelle.xlsx": documents.spreadsheet("eingebettet"),
                "word/_rels/document.xml.rels": '<R><r TargetMode="External" Target="https://ziel.example/"/></R>',
            },
        ),
    )
    words = (
        "zerteilt-strich geloescht kasten kommentar Kommentatorin kopfzeile diagrammtitel reihenname doktitel dokautor"
        " dokschluessel eingebettet bildtext https://ziel.example/"
    )

    assert [word for word in words.split() if word not in found.split()] == []


def test_everything_in_a_spreadsheet_is_read() -> None:
    """Comments, text boxes, headers and footers, charts and properties of a spreadsheet."""
    sheet = (
        f'<worksheet xmlns="{_MAIN}"><sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>zelle</t></is></c></row>'
        '</sheetData><headerFooter><oddHeader>&amp;L&amp;"Arial,Bold"kopf&amp;Rrechts</oddHeader>'
        "<oddFooter>&amp;Cfuss</oddFooter></headerFooter></worksheet>"
    )
    comments = (
        f'<comments xmlns="{_MAIN}"><authors><author>Kommentatorin</author></authors><commentList><comment ref="A1">'
        "<text><r><t>kommentar</t></r></text></comment></commentList></comments>"
    )
    drawing = f'<xdr:wsDr xmlns:xdr="x" xmlns:a="{_DRAWING}"><a:p><a:r><a:t>kasten</a:t></a:r></a:p></xdr:wsDr>'
    found = texts(
        "a.xlsx",
        _with(
            documents.spreadsheet("x"),
            {
                "xl/worksheets/sheet1.xml": sheet,
                "xl/comments1.xml": comments,
                "docProps/core.xml": _CORE,
                "xl/drawings/drawing1.xml": drawing,
                "xl/charts/chart1.xml": _CHART,
            },
        ),
    )
    words = "zelle kopf rechts fuss kommentar Kommentatorin kasten diagrammtitel reihenname doktitel Sheetname"

    assert [word for word in words.split() if word not in found.split()] == []


def test_hidden_sheets_are_read() -> None:
    """What is hidden in a spreadsheet can be shown by anyone, so it can be found."""
    data = documents.spreadsheet("versteckt")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        book = archive.read("xl/workbook.xml").replace(b"<sheet ", b'<sheet state="veryHidden" ')

    assert "versteckt" in texts("a.xlsx", _with(data, {"xl/workbook.xml": book}))


def test_everything_in_a_presentation_is_read() -> None:
    """Charts, diagrams, comments and properties of a presentation."""
    diagram = f'<d:m xmlns:d="d" xmlns:a="{_DRAWING}"><a:p><a:r><a:t>smartart</a:t></a:r></a:p></d:m>'
    comments = '<p:cmLst xmlns:p="p"><p:cm><p:text>kommentar</p:text></p:cm></p:cmLst>'
    found = texts(
        "a.pptx",
        _with(
            documents.presentation("folie"),
            {
                "ppt/diagrams/data1.xml": diagram,
                "ppt/comments/comment1.xml": comments,
                "ppt/charts/chart1.xml": _CHART,
                "docProps/core.xml": _CORE,
            },
        ),
    )

    assert [w for w in "folie smartart kommentar diagrammtitel doktitel".split() if w not in found.split()] == []


def test_everything_in_an_open_document_is_read() -> None:
    """Headers, properties, notes, charts and cells of OpenDocument files, zipped or flat."""
    names = " ".join(
        f'xmlns:{short}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for short, name in (("office", "office"), ("text", "text"), ("table", "table"), ("meta", "meta"))
    )
    names += ' xmlns:xlink="http://www.w3.org/1999/xlink"'
    cells = (
        f'<office:d {names}><table:table table:name="Blattname"><table:table-row><table:table-cell><office:annotation>'
        "<text:p>kommentar</text:p></office:annotation><text:p>zelle <text:a xlink:href='https://ziel.example/'>x</text:a>"
        "</text:p></table:table-cell></table:table-row>"
        "</table:table></office:d>"
    )
    meta = f'<m {names} xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>doktitel</dc:title></m>'
    styles = f"<m {names}><text:p>kopfzeile</text:p></m>"
    chart = f"<m {names}><text:p>diagrammtitel</text:p></m>"
    zipped_ods = zipped(
        {
            "mimetype": "application/vnd.oasis.opendocument.spreadsheet",
            "content.xml": cells,
            "styles.xml": styles,
            "meta.xml": meta,
            "Object 1/content.xml": chart,
        }
    )
    words = "Blattname kommentar zelle https://ziel.example/ kopfzeile doktitel diagrammtitel".split()

    assert [word for word in words if word not in texts("a.ods", zipped_ods).split()] == []
    assert [
        word for word in words[:3] if word not in texts("a.fods", b"<?xml version='1.0'?>" + cells.encode()).split()
    ] == []


@pytest.mark.parametrize(
    ("name", "data", "expected", "problem"),
    [
        ("a.csv", "Müller;Straße".encode("utf-16"), "Müller;Straße", ""),
        ("a.txt", _CYRILLIC.encode("cp1251"), _CYRILLIC, "its charset was guessed"),
        ("a.html", '<meta charset="windows-1252"><p>Stra\xdfe'.encode("latin-1"), "Straße", ""),
        ("a.xml", "<?xml version='1.0' encoding='iso-8859-15'?><a>Stra\xdfe</a>".encode("latin-1"), "Straße", ""),
        ("a.vcf", b"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Petra Beispiel\r\nEND:VCARD\r\n", "Petra Beispiel", ""),
    ],
)  # fmt: skip
def test_charsets_of_texts(name: str, data: bytes, expected: str, problem: str) -> None:
    """Texts say their charset, or it is guessed, which is reported; grammar is not text."""
    assert texts(name, data, problem) == expected
