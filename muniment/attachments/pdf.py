"""Extracts from a PDF what a person can see in a viewer: pages, forms, notes, titles, and the files within it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium

from muniment.attachments.limits import Budget, Within
from muniment.attachments.lines import mend_words

_PROPERTIES = ("Title", "Subject", "Author", "Keywords")
#: Texts of an annotation: the note, its author and its heading (ISO 32000-1 §12.5.2, §12.5.6.2).
_NOTE_KEYS = (b"Contents", b"T", b"Subj")
_VALUE_FIELDS = {pdfium.FPDF_FORMFIELD_TEXTFIELD, pdfium.FPDF_FORMFIELD_COMBOBOX, pdfium.FPDF_FORMFIELD_LISTBOX}
_MOST_NOTES = 10_000
_TEXT_BYTES = 1024 * 1024
_XFA_DATA = "datasets"


def read_pdf(data: bytes, budget: Budget, within: Within) -> None:
    """Collect the texts of a PDF."""
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            budget.trouble("encrypted with a password")
            return
        raise
    try:
        if document.get_formtype() != pdfium.FORMTYPE_NONE:
            document.init_forms()
        for number in range(len(document)):
            _page(document, number, budget, within)
        _properties(document, budget)
        _outline(document, budget)
        _dynamic_form(document, budget, within)
        _files(document, budget, within)
    finally:
        document.close()


def _page(document: Any, number: int, budget: Budget, within: Within) -> None:
    page = document[number]
    text = page.get_textpage()
    try:
        budget.add(mend_words(text.get_text_range()))
        _notes(page, document, budget, within)
    finally:
        text.close()
        page.close()


def _notes(page: Any, document: Any, budget: Budget, within: Within) -> None:
    """Collect notes, the values of form fields, where links lead, and files that are pinned to a page."""
    seen: dict[str, None] = {}
    count = pdfium.FPDFPage_GetAnnotCount(page)
    if count > _MOST_NOTES:
        budget.trouble(f"notes beyond {_MOST_NOTES:,} on a page were omitted")
    for index in range(min(count, _MOST_NOTES)):
        budget.check_time()
        note = pdfium.FPDFPage_GetAnnot(page, index)
        if not note:
            continue
        try:
            for text in _texts_of(note, page, document.formenv):
                seen[text] = None
            if pdfium.FPDFAnnot_GetSubtype(note) == pdfium.FPDF_ANNOT_FILEATTACHMENT:
                file = pdfium.FPDFAnnot_GetFileAttachment(note)
                if file:
                    _file(pypdfium2.PdfAttachment(file, document), budget, within)
        finally:
            pdfium.FPDFPage_CloseAnnot(note)
    budget.add("\n".join(filter(None, seen)))


def _texts_of(note: Any, page: Any, form: Any) -> list[str]:
    kind = pdfium.FPDFAnnot_GetSubtype(note)
    if kind == pdfium.FPDF_ANNOT_WIDGET:
        return [_field(note, form)]
    texts = [
        _string(lambda buffer, size, key=key: pdfium.FPDFAnnot_GetStringValue(note, key, buffer, size))  # type: ignore[misc]
        for key in _NOTE_KEYS
    ]
    if kind == pdfium.FPDF_ANNOT_LINK:
        texts.append(_target(note, page))
    return texts


def _field(note: Any, form: Any) -> str:
    """Return the value of a form field that holds text; the state of a box is none."""
    if form is None:
        return _string(lambda buffer, size: pdfium.FPDFAnnot_GetStringValue(note, b"V", buffer, size))
    if pdfium.FPDFAnnot_GetFormFieldType(form, note) not in _VALUE_FIELDS:
        return ""
    return _string(lambda buffer, size: pdfium.FPDFAnnot_GetFormFieldValue(form, note, buffer, size))


def _target(note: Any, page: Any) -> str:
    link = pdfium.FPDFAnnot_GetLink(note)
    action = pdfium.FPDFLink_GetAction(link) if link else None
    if not action:
        return ""
    size = min(pdfium.FPDFAction_GetURIPath(page.pdf, action, None, 0), _TEXT_BYTES)
    buffer = ctypes.create_string_buffer(max(size, 1))
    pdfium.FPDFAction_GetURIPath(page.pdf, action, buffer, size)
    return buffer.value.decode("utf-8", "replace")


def _string(get: Callable[[Any, int], int]) -> str:
    """Return a text that PDFium writes as UTF-16 into a buffer, whose size it tells when asked with none."""
    size = get(None, 0)
    if not 2 < size <= _TEXT_BYTES:
        return ""
    buffer = (ctypes.c_ushort * (size // 2 + 1))()
    get(buffer, size)
    return bytes(buffer)[:size].decode("utf-16-le", "replace").rstrip("\0")


def _properties(document: Any, budget: Budget) -> None:
    found = document.get_metadata_dict(skip_empty=True)
    budget.add("\n".join(found[key] for key in _PROPERTIES if key in found))


def _outline(document: Any, budget: Budget) -> None:
    for bookmark in document.get_toc(max_depth=15):
        budget.add(bookmark.get_title())


def _dynamic_form(document: Any, budget: Budget, within: Within) -> None:
    """Read the data of an XFA form, which a viewer without XFA shows as `please wait`."""
    for index in range(max(0, pdfium.FPDF_GetXFAPacketCount(document))):
        size = pdfium.FPDF_GetXFAPacketName(document, index, None, 0)
        name = ctypes.create_string_buffer(max(size, 1))
        pdfium.FPDF_GetXFAPacketName(document, index, name, size)
        if name.value.decode("latin-1") != _XFA_DATA:
            continue
        length = ctypes.c_ulong()
        pdfium.FPDF_GetXFAPacketContent(document, index, None, 0, ctypes.byref(length))
        budget.unpack(length.value)
        content = ctypes.create_string_buffer(max(length.value, 1))
        pdfium.FPDF_GetXFAPacketContent(document, index, content, length.value, ctypes.byref(length))
        within("form.xml", "", content.raw[: length.value])


def _files(document: Any, budget: Budget, within: Within) -> None:
    """Read embedded files, such as the XML of an electronic invoice (ZUGFeRD, Factur-X)."""
    for index in range(document.count_attachments()):
        _file(document.get_attachment(index), budget, within)


def _file(attachment: Any, budget: Budget, within: Within) -> None:
    budget.member()
    name = attachment.get_name()
    budget.add(name)
    content = bytes(attachment.get_data())
    budget.unpack(len(content))
    within(name, "", content)
