"""Extracts text from office documents, which are zipped XML (ECMA-376, OpenDocument), without resolving entities."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterable
from typing import IO, Any

import olefile
from lxml import etree
from python_calamine import CalamineWorkbook, PasswordError

from muniment.attachments.archives import unpacked
from muniment.attachments.kinds import OLE, ZIP
from muniment.attachments.limits import Budget, Within

_OPEN_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_OPEN_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_OPEN_META = "{urn:oasis:names:tc:opendocument:xmlns:meta:1.0}"
_DUBLIN_CORE = "{http://purl.org/dc/elements/1.1/}"
_OPEN_PARAGRAPHS = {_OPEN_TEXT + "p", _OPEN_TEXT + "h"}
_OPEN_LINKS = {_OPEN_TEXT + "a", "{urn:oasis:names:tc:opendocument:xmlns:drawing:1.0}a"}
_HREF = "{http://www.w3.org/1999/xlink}href"
_OPEN_SVG = "{urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0}"
_OPEN_SPACES = [_OPEN_TEXT + name for name in ("s", "tab", "line-break")]
_OPEN_PROPERTIES = {
    *(_DUBLIN_CORE + name for name in ("title", "subject", "description", "creator")),
    *(_OPEN_SVG + name for name in ("title", "desc")),
    *(_OPEN_META + name for name in ("keyword", "initial-creator", "user-defined")),
}
_PIECES = 1000
#: Texts of Office Open XML by the local names of their elements: runs of text, and comments on slides.
_TEXTS = {"t", "text"}
_LINES = {"p", "comment", "threadedComment", "si", "cm"}
_AUTHORS = {"author", "cmAuthor", "person"}
#: Elements with the description of a picture, for those who do not see it.
_PICTURES = {"docPr", "cNvPr"}
_WHITE = {"br": " ", "cr": " ", "tab": " ", "noBreakHyphen": "-"}
_PROPERTIES = {
    *("title", "subject", "creator", "keywords", "description", "lastModifiedBy", "category", "contentStatus"),
    *("Manager", "Company", "HyperlinkBase", "lpstr", "lpwstr", "bstr"),
}
_IN_WORD = ("document", "header", "footer", "footnotes", "endnotes", "comments", "glossary/document", "diagrams/data")
_PARTS = (
    *("word/" + name for name in _IN_WORD),
    *("ppt/" + name for name in ("slides/slide", "notesSlides/", "comments/", "diagrams/data", "commentAuthors")),
    *("xl/" + name for name in ("comments", "threadedComments/", "drawings/drawing", "diagrams/data", "persons/")),
)
_CHARTS = re.compile(r"(?:word|ppt|xl)/charts/chart[^/]*\.xml")
_RELATIONS = re.compile(r"(?:word|ppt|xl)/(?:[a-zA-Z]+/)?_rels/[^/]+\.rels")
_EMBEDDED = re.compile(r"(?:word|ppt|xl)/embeddings/[^/]+")
_SHEET = re.compile(r"xl/(?:worksheets|chartsheets)/[^/]+\.xml")
_OPEN_OBJECT = re.compile(r"(?:Object[^/]*|content|styles|meta)(?:/(?:content|styles))?\.xml")
_PAGE_TEXT = re.compile(rb"<(?:\w{1,9}:)?(?:odd|even|first)(?:Header|Footer)[^>]{0,99}>([^<]{0,9999})<")
_PAGE_CODE = re.compile(r'&(?:"[^"]*"|K[0-9A-F]{6}|[0-9]{1,3}|[A-Z])', re.IGNORECASE)
_TAIL_BYTES = 64 * 1024


def read_document(data: bytes, budget: Budget, within: Within) -> None:
    """Collect the text of a text document or a presentation."""
    if data.startswith(OLE):
        _old(data, budget)
    elif data.startswith(ZIP):
        _zipped(data, budget, within)
    else:
        _stream(io.BytesIO(data), budget, _open_text)


def read_spreadsheet(data: bytes, budget: Budget, within: Within) -> None:
    """Collect the cells of all sheets, hidden ones included, and what stands beside them."""
    if data.startswith(OLE) and _is_encrypted(data):
        budget.trouble("encrypted with a password")
        return
    if data.startswith(ZIP):
        if _zipped(data, budget, within):
            return  # OpenDocument: its cells are paragraphs
    elif not data.startswith(OLE):
        _stream(io.BytesIO(data), budget, _open_text)
        return
    try:
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(data))
    except PasswordError:
        budget.trouble("encrypted with a password")
        return
    for name in workbook.sheet_names:
        budget.add(name)
        for row in workbook.get_sheet_by_name(name).iter_rows():
            budget.add("\t".join([str(cell) for cell in row if cell not in {"", None}]))


def _old(data: bytes, budget: Budget) -> None:
    if _is_encrypted(data):
        budget.trouble("encrypted with a password")
        return
    budget.trouble("a document from Office before 2007, which is not supported")
    with olefile.OleFileIO(io.BytesIO(data)) as container:
        known = container.get_metadata()
        values = (known.title, known.subject, known.author, known.keywords, known.comments, known.company)
        page = f"cp{known.codepage}" if known.codepage else "cp1252"
        budget.add("\n".join(_property(value, page) for value in values if value))


def _property(value: object, page: str) -> str:
    if not isinstance(value, bytes):
        return str(value)
    try:
        return value.decode(page if page != "cp65001" else "utf-8", "replace")
    except LookupError:
        return value.decode("cp1252", "replace")


def _is_encrypted(data: bytes) -> bool:
    """Whether a container has an encrypted document of Office 2007 or later ([MS-OFFCRYPTO])."""
    return "EncryptedPackage".encode("utf-16-le") in data


def _zipped(data: bytes, budget: Budget, within: Within) -> bool:
    """Collect the texts of a zipped document; return whether it is OpenDocument."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        is_open = "content.xml" in names
        if not is_open:
            budget.unpack(sum(member.file_size for member in archive.infolist()))
            _office(archive, names, budget, within)
        elif _is_open_encrypted(archive, budget):
            budget.trouble("encrypted with a password")
        else:
            for name in filter(_OPEN_OBJECT.fullmatch, names):
                _member(archive, name, budget, _open_text)
    return is_open


def _is_open_encrypted(archive: zipfile.ZipFile, budget: Budget) -> bool:
    if "META-INF/manifest.xml" not in archive.namelist():
        return False
    with archive.open("META-INF/manifest.xml") as file:
        return b"encryption-data" in unpacked(file, budget)


def _office(archive: zipfile.ZipFile, names: Iterable[str], budget: Budget, within: Within) -> None:
    """Collect texts, deleted texts, notes, comments, charts and properties."""
    for name in names:
        if name.startswith(_PARTS) and name.endswith(".xml"):
            _member(archive, name, budget, _office_text)
        elif _CHARTS.fullmatch(name):
            _member(archive, name, budget, _chart_text)
        elif name.startswith("docProps/") and name.endswith(".xml"):
            _member(archive, name, budget, _property_text)
        elif _RELATIONS.fullmatch(name):
            _member(archive, name, budget, _link)
        elif _SHEET.fullmatch(name):
            _page_texts(archive, name, budget)
        elif _EMBEDDED.fullmatch(name):
            budget.member()
            with archive.open(name) as file:
                within(name.rpartition("/")[2], "", unpacked(file, budget))


def _page_texts(archive: zipfile.ZipFile, name: str, budget: Budget) -> None:
    """Collect the headers and footers of a sheet, which stand at its end."""
    tail = b""
    with archive.open(name) as file:
        while piece := file.read(1024 * 1024):
            tail = (tail + piece)[-_TAIL_BYTES:]
            budget.check_time()
    for text in _PAGE_TEXT.findall(tail):
        plain = text.decode("utf-8", "replace").replace("&amp;", "&").replace("&quot;", '"')
        budget.add(_PAGE_CODE.sub(" ", plain).strip())


def _member(archive: zipfile.ZipFile, name: str, budget: Budget, read: Callable[[Any], str]) -> None:
    budget.unpack(archive.getinfo(name).file_size)
    with archive.open(name) as file:
        _stream(file, budget, read)


def _stream(file: IO[bytes], budget: Budget, read: Callable[[Any], str]) -> None:
    """Collect what `read` returns for each element at its end tag."""
    pieces: list[str] = []
    for _, element in etree.iterparse(file, resolve_entities=False, no_network=True, huge_tree=False):
        pieces.append(read(element))
        if len(pieces) > _PIECES:
            budget.add("".join(pieces))
            pieces.clear()
    budget.add("".join(pieces) + "\n")


def _local(element: Any) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _office_text(element: Any) -> str:
    """Return the text of a line: a paragraph, a comment. One within another, such as a text box, has ended before."""
    name = _local(element)
    if name in _AUTHORS:
        return f"\n{element.text or element.get('name') or element.get('displayName') or ''}\n"
    if name in _PICTURES:
        return "".join(f"{text}\n" for text in (element.get("title"), element.get("descr")) if text)
    if name not in _LINES:
        return ""
    shown: list[str] = []
    deleted: list[str] = []  # apart, since it may divide a word
    for part in element.iter():
        kind = _local(part)
        if kind in _TEXTS:
            shown.append(part.text or "")
        elif kind == "delText":
            deleted.append(part.text or "")
        else:
            shown.append(_WHITE.get(kind, ""))
    author = next((value for key, value in element.items() if key.rpartition("}")[2] == "author"), "")
    element.clear(keep_tail=True)
    return "\n".join([*filter(None, ("".join(shown), "".join(deleted), author)), ""])


def _link(element: Any) -> str:
    """Return where a link leads, which is not in the text."""
    return f"{element.get('Target')}\n" if element.get("TargetMode") == "External" else ""


def _chart_text(element: Any) -> str:
    """Return titles, and the names and values of series."""
    return f"{element.text or ''}\n" if _local(element) == "v" else _office_text(element)


def _property_text(element: Any) -> str:
    text = f"{element.text or ''}\n" if _local(element) in _PROPERTIES else ""
    return text + (f"{element.get('name')}\n" if _local(element) == "property" else "")


def _open_text(element: Any) -> str:
    """Return the text of a paragraph, in which elements represent white space, of a table's name, or of a property."""
    if element.tag in _OPEN_PROPERTIES:
        return f"{element.text or ''}\n"
    if element.tag in _OPEN_LINKS:
        return f"\n{element.get(_HREF) or ''}\n"
    if element.tag == _OPEN_TABLE + "table":
        return f"{element.get(_OPEN_TABLE + 'name') or ''}\n"
    if element.tag not in _OPEN_PARAGRAPHS:
        return ""
    for space in element.iter(*_OPEN_SPACES):
        space.text = " "
    text = "".join(element.itertext())
    element.clear()
    return text + "\n"
