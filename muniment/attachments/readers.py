"""A reader per kind of attachment. Only the reading process (`muniment.attachments.child`) calls them.

Readers may raise any exception of their libraries: the caller reports "damaged" and keeps the text collected so far.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable

from asn1crypto.cms import ContentInfo
from asn1crypto.pem import detect as is_pem
from asn1crypto.pem import unarmor

from muniment.attachments.archives import read_archive
from muniment.attachments.kinds import OLE, Kind, is_message, kind_of
from muniment.attachments.limits import DEPTH, Budget, Within
from muniment.attachments.office import read_document, read_spreadsheet
from muniment.attachments.outlook import read_msg
from muniment.attachments.pdf import read_pdf
from muniment.errors import BudgetSpent
from muniment.mail.bodies import read_text
from muniment.mail.calendar import calendar_text, is_calendar
from muniment.mail.charsets import decode
from muniment.mail.headers import read_headers
from muniment.mail.markup import html_to_text
from muniment.mail.rtf import rtf_to_text
from muniment.mail.tnef import read_tnef

_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_DECLARED = re.compile(rb"""\A\s{0,9}<\?xml[^>]{0,99}?encoding\s{0,9}=\s{0,9}["']([\w.:-]{2,40})""")
_META = re.compile(rb"""<meta[^>]{0,200}charset\s{0,9}=\s{0,9}["']?([\w.:-]{2,40})""", re.IGNORECASE)
_ATTRIBUTE = re.compile(r'="([^"<>]{1,1000})"')
_MAILBOX_LINE = re.compile(rb"(?:\A|\r?\n)From [^\n]*\n")
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}$")


def read(name: str, type_: str, data: bytes, budget: Budget, depth: int = 0) -> None:
    """Collect the text of an attachment in `budget`."""
    if not data:
        return
    if depth > DEPTH:
        budget.trouble(f"nested deeper than {DEPTH} levels")
        return

    def within(inner_name: str, inner_type: str, inner: bytes) -> None:
        _within(inner_name, inner_type, inner, budget, depth)

    kind = kind_of(name, type_, data)
    if kind is Kind.ARCHIVE:
        read_archive(name, data, budget, within)
    elif kind is Kind.TEXT:
        _text(name, type_, data, budget)
    elif kind in _READERS:
        _READERS[kind](data, budget, within)
    elif kind is Kind.OTHER and depth:
        suffix = _SUFFIX.search(name)
        budget.trouble(f"no reader for {suffix[0].lower()} files" if suffix else "no reader for files without a type")


def _within(name: str, type_: str, data: bytes, budget: Budget, depth: int) -> None:
    """Read a nested attachment; damage in it does not affect the rest."""
    try:
        read(name, type_, data, budget, depth + 1)
    except (MemoryError, BudgetSpent):
        raise
    except Exception as error:  # noqa: BLE001 - libraries raise arbitrary exceptions for damaged files
        budget.trouble(f"a nested attachment is damaged: {type(error).__name__}")


def _rtf(data: bytes, budget: Budget, _: Within) -> None:
    budget.add(rtf_to_text(data))


def _html(data: bytes, budget: Budget, within: Within) -> None:
    """Read a page, or one that was saved with its pictures as a message (MHTML, RFC 2557)."""
    if is_message(data):
        _message(data, budget, within)
    else:
        budget.add(html_to_text(_decoded(data, budget)))


def _text(name: str, type_: str, data: bytes, budget: Budget) -> None:
    # A character has at most four bytes.
    text = _decoded(data[: 4 * budget.characters + 4], budget)
    if is_calendar(type_, name):
        text = calendar_text(text)
    elif text.startswith("<?xml"):
        text = "\n".join([html_to_text(text), *_ATTRIBUTE.findall(text)])
    budget.add(text)


def _decoded(data: bytes, budget: Budget) -> str:
    label = next((charset for bom, charset in _BOMS if data.startswith(bom)), "")
    if not label and data[:1000].count(0) > len(data[:1000]) // 4:
        label = "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"
    if not label and (declared := _DECLARED.search(data) or _META.search(data, 0, 4096)):
        label = declared[1].decode("ascii", "replace")
    text, is_certain = decode(data, label)
    if not is_certain:
        budget.trouble("its charset was guessed")
    return text.removeprefix("\ufeff")


def _message(data: bytes, budget: Budget, within: Within) -> None:
    if data.startswith(OLE):
        read_msg(data, budget, within)
    elif data.startswith(b"From "):
        _mailbox(data, budget, within)
    else:
        headers = read_headers(data[: 256 * 1024])
        budget.add(f"{headers.subject}\n{headers.sender}\n{headers.recipients}")
        _mime(data, budget, within)


def _mailbox(data: bytes, budget: Budget, within: Within) -> None:
    """Read the messages of a mailbox file (RFC 4155)."""
    lines = [found.span() for found in _MAILBOX_LINE.finditer(data)]
    for (_, begin), (end, _) in itertools.pairwise([*lines, (len(data), len(data))]):
        budget.member()
        within("", "message/rfc822", data[begin:end])


def _mime(data: bytes, budget: Budget, within: Within) -> None:
    body = read_text(data, limit=budget.characters)
    for text in (body.text, *body.attached, *body.attachment_names):
        budget.add(text)
    for problem in body.lost:
        budget.trouble(problem)
    for attachment in body.attachments:
        budget.member()
        within(attachment.name, attachment.type, attachment.data)


def _tnef(data: bytes, budget: Budget, within: Within) -> None:
    tnef = read_tnef(data)
    for problem in tnef.problems:
        budget.trouble(problem)
    for text in tnef.texts:
        budget.add(text)
    for attachment in tnef.attachments:
        budget.add(attachment.name)
        within(attachment.name, attachment.type, attachment.data)


def _smime(data: bytes, budget: Budget, within: Within) -> None:
    """Read signed content; encrypted content cannot be read (RFC 8551 §3)."""
    content = ContentInfo.load(unarmor(data)[2] if is_pem(data) else data)
    if content["content_type"].native != "signed_data":
        budget.trouble("encrypted with S/MIME")
        return
    signed = content["content"]["encap_content_info"]["content"].native
    if signed:
        _mime(signed, budget, within)


_READERS: dict[Kind, Callable[[bytes, Budget, Within], None]] = {
    Kind.PDF: read_pdf,
    Kind.WORD: read_document,
    Kind.SPREADSHEET: read_spreadsheet,
    Kind.PRESENTATION: read_document,
    Kind.RTF: _rtf,
    Kind.HTML: _html,
    Kind.MESSAGE: _message,
    Kind.TNEF: _tnef,
    Kind.SMIME: _smime,
}
