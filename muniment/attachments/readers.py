"""A reader per kind of attachment. Only the reading process (`muniment.attachments.child`) calls them.

Readers may raise any exception of their libraries: the caller reports "damaged" and keeps the text collected so far.
"""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable
from typing import IO

import pypdfium2
from asn1crypto.cms import ContentInfo
from asn1crypto.pem import detect as is_pem
from asn1crypto.pem import unarmor
from python_calamine import CalamineWorkbook

from muniment.attachments.kinds import ZIP, Kind, kind_of
from muniment.attachments.limits import DEPTH, Budget
from muniment.attachments.xml import open_document_text, presentation_text, word_text
from muniment.errors import BudgetSpent
from muniment.mail.bodies import read_text
from muniment.mail.calendar import calendar_text, is_calendar
from muniment.mail.charsets import decode
from muniment.mail.headers import read_headers
from muniment.mail.markup import html_to_text
from muniment.mail.rtf import rtf_to_text
from muniment.mail.tnef import read_tnef

_OLE = b"\xd0\xcf\x11\xe0"
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_PIECE = 1024 * 1024


def read(name: str, type_: str, data: bytes, budget: Budget, depth: int = 0) -> None:
    """Collect the text of an attachment in `budget`."""
    if not data:
        return
    if depth > DEPTH:
        budget.trouble(f"nested deeper than {DEPTH} levels")
        return
    kind = kind_of(name, type_, data)
    if kind in _OFFICE and data.startswith(_OLE):
        budget.trouble("a document from Office before 2007, which is not supported")
    elif kind is Kind.TEXT and is_calendar(type_, name):
        budget.add(calendar_text(_decoded(data)))
    elif kind in _CONTAINERS:
        _CONTAINERS[kind](data, budget, depth)
    elif kind in _READERS:
        _READERS[kind](data, budget)


def _pdf(data: bytes, budget: Budget) -> None:
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            budget.trouble("encrypted with a password")
            return
        raise
    try:
        for number in range(len(document)):
            page = document[number]
            text = page.get_textpage()
            try:
                budget.add(text.get_text_range())
            finally:
                text.close()
                page.close()
    finally:
        document.close()


def _word(data: bytes, budget: Budget) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if "content.xml" in archive.namelist():
            open_document_text(archive, budget)
        else:
            word_text(archive, budget)


def _presentation(data: bytes, budget: Budget) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if "content.xml" in archive.namelist():
            open_document_text(archive, budget)
        else:
            presentation_text(archive, budget)


def _spreadsheet(data: bytes, budget: Budget) -> None:
    if data.startswith(ZIP):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            budget.unpack(sum(member.file_size for member in archive.infolist()))
    workbook = CalamineWorkbook.from_filelike(io.BytesIO(data))
    for name in workbook.sheet_names:
        budget.add(name)
        for row in workbook.get_sheet_by_name(name).iter_rows():
            budget.add("\t".join([str(cell) for cell in row if cell not in {"", None}]))


def _rtf(data: bytes, budget: Budget) -> None:
    budget.add(rtf_to_text(data))


def _html(data: bytes, budget: Budget) -> None:
    budget.add(html_to_text(_decoded(data)))


def _text(data: bytes, budget: Budget) -> None:
    # A character has at most four bytes.
    budget.add(_decoded(data[: 4 * budget.characters + 4]))


def _decoded(data: bytes) -> str:
    label = next((charset for bom, charset in _BOMS if data.startswith(bom)), "")
    if not label and data[:1000].count(0) > len(data[:1000]) // 4:
        label = "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"
    return decode(data, label)[0].removeprefix("\ufeff")


def _message(data: bytes, budget: Budget, depth: int) -> None:
    headers = read_headers(data[: 256 * 1024])
    budget.add(f"{headers.subject}\n{headers.sender}\n{headers.recipients}")
    _mime(data, budget, depth)


def _mime(data: bytes, budget: Budget, depth: int) -> None:
    body = read_text(data, limit=budget.characters)
    for text in (body.text, *body.attached, *body.attachment_names):
        budget.add(text)
    for problem in body.lost:
        budget.trouble(problem)
    for attachment in body.attachments:
        _within(attachment.name, attachment.type, attachment.data, budget, depth)


def _archive(data: bytes, budget: Budget, depth: int) -> None:
    if not data.startswith(ZIP):
        _gzip(data, budget, depth)
        return
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for member in archive.infolist():
            budget.members -= 1
            if budget.members < 0:
                budget.trouble("an archive has too many members")
                return
            budget.add(member.filename)
            if member.flag_bits & 1:
                budget.trouble("encrypted members of an archive")
            elif not member.is_dir():
                with archive.open(member) as file:
                    _within(member.filename, "", _unpacked(file, budget), budget, depth)


def _gzip(data: bytes, budget: Budget, depth: int) -> None:
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
        plain = _unpacked(file, budget)
    _within("", "text/plain" if b"\0" not in plain[:1000] else "", plain, budget, depth)


def _unpacked(file: IO[bytes] | gzip.GzipFile, budget: Budget) -> bytes:
    """Unpack a file in pieces, because its stated size may be false."""
    pieces: list[bytes] = []
    while piece := file.read(_PIECE):
        budget.unpack(len(piece))
        budget.check_time()
        pieces.append(piece)
    return b"".join(pieces)


def _within(name: str, type_: str, data: bytes, budget: Budget, depth: int) -> None:
    """Read a nested attachment; damage in it does not affect the rest."""
    try:
        read(name, type_, data, budget, depth + 1)
    except (MemoryError, BudgetSpent):
        raise
    except Exception as error:  # noqa: BLE001 - libraries raise arbitrary exceptions for damaged files
        budget.trouble(f"a nested attachment is damaged: {type(error).__name__}")


def _tnef(data: bytes, budget: Budget, depth: int) -> None:
    tnef = read_tnef(data)
    for problem in tnef.problems:
        budget.trouble(problem)
    for text in tnef.texts:
        budget.add(text)
    for attachment in tnef.attachments:
        budget.add(attachment.name)
        _within(attachment.name, attachment.type, attachment.data, budget, depth)


def _smime(data: bytes, budget: Budget, depth: int) -> None:
    """Read signed content; encrypted content cannot be read (RFC 8551 §3)."""
    content = ContentInfo.load(unarmor(data)[2] if is_pem(data) else data)
    if content["content_type"].native != "signed_data":
        budget.trouble("encrypted with S/MIME")
        return
    signed = content["content"]["encap_content_info"]["content"].native
    if signed:
        _mime(signed, budget, depth)


_OFFICE = {Kind.WORD, Kind.PRESENTATION}
_READERS: dict[Kind, Callable[[bytes, Budget], None]] = {
    Kind.PDF: _pdf,
    Kind.WORD: _word,
    Kind.SPREADSHEET: _spreadsheet,
    Kind.PRESENTATION: _presentation,
    Kind.RTF: _rtf,
    Kind.HTML: _html,
    Kind.TEXT: _text,
}
#: Readers of kinds that contain other attachments; they also receive their own depth.
_CONTAINERS: dict[Kind, Callable[[bytes, Budget, int], None]] = {
    Kind.MESSAGE: _message,
    Kind.ARCHIVE: _archive,
    Kind.TNEF: _tnef,
    Kind.SMIME: _smime,
}
