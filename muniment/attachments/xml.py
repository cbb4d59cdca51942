"""Extracts text from office documents, which are zipped XML (ECMA-376, OpenDocument), without resolving entities."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from typing import Any

from lxml import etree

from muniment.attachments.limits import Budget

_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_DRAWING = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_OPEN_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_OPEN_PARAGRAPHS = {_OPEN_TEXT + "p", _OPEN_TEXT + "h"}
_OPEN_SPACES = [_OPEN_TEXT + name for name in ("s", "tab", "line-break")]
_PIECES = 1000
_WORD_PARTS = ("word/document", "word/header", "word/footer", "word/footnotes", "word/endnotes", "word/comments")
_SLIDE_PARTS = ("ppt/slides/slide", "ppt/notesSlides/")


def word_text(archive: zipfile.ZipFile, budget: Budget) -> None:
    """Collect the text of a DOCX: paragraphs, tables, notes, headers, comments."""
    for name in _parts(archive, _WORD_PARTS):
        _stream(archive, name, budget, _office_text(_WORD))


def presentation_text(archive: zipfile.ZipFile, budget: Budget) -> None:
    """Collect the text of a PPTX: slides and notes."""
    for name in _parts(archive, _SLIDE_PARTS):
        _stream(archive, name, budget, _office_text(_DRAWING))


def open_document_text(archive: zipfile.ZipFile, budget: Budget) -> None:
    """Collect the text of an ODT or ODP."""
    _stream(archive, "content.xml", budget, _open_text)


def _parts(archive: zipfile.ZipFile, beginnings: tuple[str, ...]) -> list[str]:
    return [name for name in archive.namelist() if name.startswith(beginnings) and name.endswith(".xml")]


def _stream(archive: zipfile.ZipFile, name: str, budget: Budget, read: Callable[[Any], str]) -> None:
    """Collect what `read` returns for each element at its end tag."""
    budget.unpack(archive.getinfo(name).file_size)
    with archive.open(name) as file:
        pieces: list[str] = []
        for _, element in etree.iterparse(file, resolve_entities=False, no_network=True, huge_tree=False):
            pieces.append(read(element))
            if len(pieces) > _PIECES:
                budget.add("".join(pieces))
                pieces.clear()
        budget.add("".join(pieces) + "\n")


def _office_text(namespace: str) -> Callable[[Any], str]:
    text, paragraph, breaks = namespace + "t", namespace + "p", {namespace + "br", namespace + "tab"}

    def read(element: Any) -> str:
        if element.tag == text:
            return str(element.text or "")
        if element.tag == paragraph:
            element.clear()
            return "\n"
        return " " if element.tag in breaks else ""

    return read


def _open_text(element: Any) -> str:
    """Return the text of a paragraph, in which elements represent white space."""
    if element.tag not in _OPEN_PARAGRAPHS:
        return ""
    for space in element.iter(*_OPEN_SPACES):
        space.text = " "
    text = "".join(element.itertext())
    element.clear()
    return text + "\n"
