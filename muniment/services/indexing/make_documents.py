"""Make documents for the index: facts from the database, text from the stored bytes."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from muniment import log
from muniment.attachments import Kind, kind_of
from muniment.contents import ContentStore
from muniment.contents.codec import EncodedPart, decode_part
from muniment.db.database import Session
from muniment.db.message_facts import Facts
from muniment.errors import Damaged
from muniment.mail.addresses import addresses_in
from muniment.mail.bodies import Attachment, BodyText, read_text
from muniment.mail.domains import domain_forms
from muniment.mail.headers import read_people
from muniment.mail.links import indexed_links
from muniment.model.document import Document
from muniment.model.text_problem import ProblemCode, TextProblem
from muniment.services.indexing.read_attachments import Texts, Wanted, read_attachments
from muniment.services.resources import Resources

_log = log.get(__name__)

#: Maximum characters indexed of a message's own text, and of a message with its attachments.
TEXT_CHARACTERS = 2_000_000
ALL_CHARACTERS = 5_000_000
#: Maximum bytes of a message that are parsed; the rest of a larger one is ignored.
PARSED_BYTES = 48 * 1024 * 1024
#: Messages are collected up to this size (bytes) and parsed together.
READ_BYTES = 4 * 1024 * 1024

_HEAD_BYTES = 256 * 1024


@dataclass
class _Read:
    """A message that was parsed."""

    facts: Facts
    body: BodyText
    people: dict[str, tuple[str, ...]]
    kinds: list[Kind]
    hashes: list[bytes]


async def make_documents(
    resources: Resources, session: Session, facts: Sequence[Facts], version: int, until: float, *, slow: bool = False
) -> AsyncIterator[Document]:
    """Yield a document for each message until `until` (`time.monotonic()`), but at least one.

    A document of a message whose attachments take long is unfinished; in a second round they get more time (`slow`).

    The document of a message that is damaged, or cannot be parsed, has only its header fields, and the reason.
    """
    begun = False
    async for read in _parsed(resources.contents, facts):
        for message in read:
            if begun and time.monotonic() >= until:
                return
            begun = True
            texts = await _attachments(resources, session, message, slow=slow)
            yield _document(message, version, texts)


async def _parsed(contents: ContentStore, facts: Sequence[Facts]) -> AsyncIterator[list[_Read]]:
    """Yield messages as they are parsed, many small ones together; CPU work, so it runs in a thread."""
    held: list[tuple[Facts, bytes | str]] = []
    size = 0
    async for known, parts in contents.read(_each(facts)):
        raw: bytes | str
        try:
            raw = await _beginning(known, parts)
        except Damaged as error:
            raw = str(error)
        held.append((known, raw))
        size += len(raw)
        if size >= READ_BYTES:
            yield await asyncio.to_thread(_parse, held)
            held, size = [], 0
    if held:
        yield await asyncio.to_thread(_parse, held)


async def _each(facts: Sequence[Facts]) -> AsyncIterator[Facts]:
    for known in facts:
        yield known


async def _beginning(facts: Facts, parts: AsyncIterable[EncodedPart]) -> bytes:
    """Return the beginning of a message, up to the number of bytes that are parsed."""
    chunks: list[bytes] = []
    size = 0
    async for part in parts:
        chunks.append(decode_part(part.codec, part.data)[: PARSED_BYTES - size])
        size += len(chunks[-1])
        if size >= PARSED_BYTES:
            break
    if size < min(facts.size, PARSED_BYTES):
        raise Damaged(f"content ends after {size} of {facts.size} bytes")
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _parse(held: Sequence[tuple[Facts, bytes | str]]) -> list[_Read]:
    return [_parse_one(facts, raw) for facts, raw in held]


def _parse_one(facts: Facts, raw: bytes | str) -> _Read:
    if isinstance(raw, str):
        return _unread(facts, TextProblem(ProblemCode.CONTENT, raw))
    try:
        people = read_people(raw[:_HEAD_BYTES])
        body = read_text(raw, limit=TEXT_CHARACTERS)
    except Exception as error:  # noqa: BLE001 - one message must not stop its batch forever
        _log.exception("message cannot be parsed", store=facts.store_id, message=facts.message_id)
        return _unread(facts, TextProblem(ProblemCode.PARSER, f"the parser failed: {type(error).__name__}"))
    return _Read(
        facts,
        body,
        people,
        [kind_of(part.name, part.type, part.data) for part in body.attachments],
        [hashlib.sha256(part.data).digest() for part in body.attachments],
    )


def _unread(facts: Facts, problem: TextProblem) -> _Read:
    """Return a message without its bytes: the header fields that were stored when it was archived."""
    people = {"from": (facts.sender,), "to": tuple(facts.recipients.split("; "))}
    return _Read(facts, BodyText("", problems=(problem,)), people, [], [])


async def _attachments(resources: Resources, session: Session, read: _Read, *, slow: bool) -> Texts:
    """Return the texts of a message's attachments, each of which is read once."""
    allowed = resources.settings.index_attachments
    wanted = {
        digest: Wanted(digest, attachment, kind)
        for digest, attachment, kind in zip(read.hashes, read.body.attachments, read.kinds, strict=True)
        if kind.is_read and kind.value in allowed
    }
    room = ALL_CHARACTERS - sum(map(len, read.body.attached))
    return await read_attachments(resources, session, list(wanted.values()), read.facts.archives, room, slow=slow)


def _document(read: _Read, version: int, found: Texts) -> Document:
    facts, body = read.facts, read.body
    problems = [*body.problems, *_unread_kinds(read), *found.problems]
    if facts.size > PARSED_BYTES:
        problems.append(TextProblem(ProblemCode.LIMIT, f"only the first {PARSED_BYTES >> 20} MiB were read"))
    attachments, room = [], ALL_CHARACTERS
    for text in (*body.attached, *found.texts):
        attachments.append(text[:room])
        room -= len(attachments[-1])
    if room <= 0:
        problems.append(TextProblem(ProblemCode.LIMIT, "text of attachments cut at the limit"))
    sender = next((address for value in read.people.get("from", ()) for address in addresses_in(value)), facts.sender)
    return Document(
        store_id=facts.store_id,
        message_id=facts.message_id,
        version=version,
        sha256=facts.sha256,
        size=facts.size,
        header_id=facts.header_id,
        date=_to_milliseconds(facts.date or facts.received or facts.archived),
        sent=facts.date,
        received=facts.received,
        archived=facts.archived,
        archives=tuple(facts.archives),
        folders=tuple(facts.folders),
        flags=tuple(facts.flags),
        is_filed=facts.is_filed,
        sender=sender[:320].lower(),
        subject=facts.subject,
        from_=_people(read, "from"),
        to=_people(read, "to", "bcc", *_ALSO_TO),
        cc=_people(read, "cc", "resent-cc"),
        reply_to=_people(read, "reply-to"),
        sent_by=_people(read, "sender", "resent-from", "resent-sender"),
        lists=_people(read, "list-id", "list-post"),
        links=indexed_links(body.links),
        delivered=tuple(one for one in facts.delivered if int(one.partition("/")[0]) in facts.archives),
        body=(body.text,),
        file_names=body.attachment_names,
        attachments=tuple(filter(None, attachments)),
        types=_types(read),
        has_attachment=body.has_attachment or any(kind in _CONTAINERS for kind in read.kinds),
        problems=tuple(dict.fromkeys(problems)),
        is_unfinished=found.is_unfinished,
    )


#: Fields in which mail servers record recipients.
_ALSO_TO = ("resent-to", "resent-bcc", "delivered-to", "x-original-to", "x-envelope-to", "envelope-to")
_CONTAINERS = {Kind.TNEF}
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}$")


def _people(read: _Read, *names: str) -> tuple[str, ...]:
    """Return the entries of these fields, each once, and their addresses with the other form of the domain."""
    entries = dict.fromkeys(entry for name in names for entry in read.people.get(name, ()))
    others = [
        f"{address.rpartition('@')[0]}@{form}"
        for entry in entries
        if "xn--" in entry.lower() or not entry.isascii()
        for address in addresses_in(entry)
        for form in domain_forms(address.rpartition("@")[2])
    ]
    return (*entries, *others)


def _unread_kinds(read: _Read) -> list[TextProblem]:
    """Report attachments that no reader exists for; pictures, sounds and films are not expected to have text."""
    return [
        TextProblem(ProblemCode.NO_READER, f"no reader for {_kind_in_words(attachment)}", attachment.part)
        for attachment, kind in zip(read.body.attachments, read.kinds, strict=True)
        if kind is Kind.OTHER
    ]


def _kind_in_words(attachment: Attachment) -> str:
    suffix = _SUFFIX.search(attachment.name)
    return f"{suffix[0].lower()} files" if suffix else attachment.type[:60] or "files without a type"


def _types(read: _Read) -> tuple[str, ...]:
    kinds = {kind.value for kind in read.kinds if kind is not Kind.OTHER}
    kinds |= {kind_of(name, "", b"").value for name in read.body.attachment_names} - {Kind.OTHER.value}
    return tuple(sorted(kinds))


def _to_milliseconds(moment: datetime) -> datetime:
    """Cut a time to the resolution that every index supports, so that all sort alike."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
