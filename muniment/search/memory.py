"""An index in memory: for tests of services, and the simplest definition of what a query means."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from muniment.model.document import Document
from muniment.search import globs, scores
from muniment.search.delivered import delivered_words
from muniment.search.port import FACET_VALUES, Change, Facet, IndexFailure, Match, Matches, Request, Sort, Target
from muniment.search.query import (
    HIDDEN,
    STEMMED,
    All,
    Any,
    Dated,
    Field,
    Flagged,
    HasAttachment,
    InArchives,
    InFolders,
    MessageId,
    Not,
    OfType,
    Pattern,
    Phrase,
    Query,
    Received,
    Sized,
    Word,
    split_pattern,
)
from muniment.search.words import BREAK, STEM, read_words

_PHRASED = tuple(field for fields, _ in scores.PARTS for field in fields)


class MemoryIndex:
    """Documents by generation; the version of a removed message is kept, so that no older document replaces it."""

    backend = "memory"

    def __init__(self) -> None:
        self._live: dict[int, int] = {}
        self._generations: dict[tuple[int, int], dict[int, _Entry]] = {}

    async def prepare(self, targets: Sequence[Target]) -> None:
        """Create generations that are missing, and let searches see the live ones."""
        for target in targets:
            self._live.setdefault(target.store_id, target.live)
            for generation in (target.live, target.building):
                if generation is not None:
                    self._generations.setdefault((target.store_id, generation), {})

    async def apply(self, targets: Sequence[Target], changes: Sequence[Change]) -> list[IndexFailure]:
        """Store each document, or the version of a removed message."""
        await self.prepare(targets)
        by_store = {target.store_id: target for target in targets}
        for change in changes:
            target = by_store[change.store_id]
            entry = _Entry.of(change)
            for generation in (None if change.building else target.live, target.building):
                if generation is not None:
                    entries = self._generations[change.store_id, generation]
                    known = entries.get(change.message_id)
                    if known is None or known.version < change.version:
                        entries[change.message_id] = entry
        return []

    async def search(self, request: Request) -> Matches:
        """Compare every document with the query."""
        found = [
            (entry, document)
            for store_id, generation in self._live.items()
            for entry, document in self._documents(store_id, generation)
            if _is_allowed(document, request) and _fits(entry, document, request.query, request.archives)
        ]
        matches = [_match(entry, document, request) for entry, document in found]
        matches.sort(key=lambda match: _order(match, request), reverse=True)
        last = request.after
        page = [match for match in matches if last is None or _order(match, request) < _order(last, request)]
        facets = _facets([document for _, document in found], request) if request.facets else {}
        return Matches(page[: request.limit], len(found), facets)

    async def count(self, target: Target) -> int:
        """Return the number of documents of a store."""
        return len(self._documents(target.store_id, target.live))

    async def ids(self, target: Target, after: int, limit: int) -> list[int]:
        """Return the next ids of a store's documents."""
        ids = sorted(document.message_id for _, document in self._documents(target.store_id, target.live))
        return [message_id for message_id in ids if message_id > after][:limit]

    async def promote(self, target: Target) -> None:
        """Let searches see the generation that was built."""
        if target.building is not None:
            self._live[target.store_id] = target.building

    async def discard(self, store_id: int, generation: int) -> None:
        """Delete a generation."""
        self._generations.pop((store_id, generation), None)

    async def close(self) -> None:
        """Do nothing."""

    def _documents(self, store_id: int, generation: int) -> list[tuple[_Entry, Document]]:
        entries = self._generations.get((store_id, generation), {}).values()
        return [(entry, entry.document) for entry in entries if entry.document is not None]


@dataclass(frozen=True)
class _Entry:
    """A version of a message. `words`: the words of each field, in order. `terms`: its words and stems."""

    version: int
    document: Document | None
    words: dict[Field, list[str]]
    terms: dict[Field, set[str]]

    @classmethod
    def of(cls, change: Change) -> _Entry:
        if change.document is None:
            return cls(change.version, None, {}, {})
        read = {field: read_words(texts) for field, texts in _texts(change.document).items()}
        read[Field.DELIVERED] = delivered_words(change.document.delivered)
        words = {field: found.words for field, found in read.items()}
        terms = {
            field: {*found.words, *(found.stems if field in STEMMED else ())} - {BREAK} for field, found in read.items()
        }
        return cls(change.version, change.document, words, terms)

    def has(self, fields: Iterable[Field], test: Callable[[str], bool]) -> bool:
        return any(test(term) for field in fields for term in self.terms[field])

    def has_phrase(self, fields: Iterable[Field], phrase: Phrase) -> bool:
        length = len(phrase.words)
        return any(
            _continues(words[start : start + length], phrase)
            for words in (self.words[field] for field in fields)
            for start in range(len(words) - length + 1)
        )


def _continues(words: Sequence[str], phrase: Phrase) -> bool:
    *first, last = phrase.words
    return list(words[:-1]) == first and (words[-1].startswith(last) if phrase.is_open else words[-1] == last)


def _texts(document: Document) -> dict[Field, tuple[str, ...]]:
    return {
        Field.SUBJECT: (document.subject,),
        Field.FROM: document.from_,
        Field.TO: document.to,
        Field.CC: document.cc,
        Field.BODY: document.body,
        Field.FILENAME: document.file_names,
        Field.ATTACHMENT: (*document.file_names, *document.attachments),
        Field.REPLY_TO: document.reply_to,
        Field.SENT_BY: document.sent_by,
        Field.LIST: document.lists,
        Field.LINK: document.links,
    }


def _is_allowed(document: Document, request: Request) -> bool:
    return document.is_filed if request.archives is None else not set(request.archives).isdisjoint(document.archives)


def _fits(entry: _Entry, document: Document, query: Query, archives: tuple[int, ...] | None) -> bool:  # noqa: C901, PLR0911, PLR0912 - a case for each kind
    match query:
        case All(parts):
            return all(_fits(entry, document, part, archives) for part in parts)
        case Any(parts):
            return any(_fits(entry, document, part, archives) for part in parts)
        case Not(part):
            return not _fits(entry, document, part, archives)
        case Word(field) | Pattern(field):
            return _has(entry, query, [field] if field else [field for field in Field if field not in HIDDEN])
        case Phrase(field):
            return _has(entry, query, [field] if field else _PHRASED)
        case Dated(first, end):
            return (first is None or document.date >= first) and (end is None or document.date < end)
        case Received(first, end):
            when = document.received or document.date
            return (first is None or when >= first) and (end is None or when < end)
        case Sized(above, below):
            return (above is None or document.size > above) and (below is None or document.size < below)
        case HasAttachment():
            return document.has_attachment
        case OfType(kind):
            return kind in document.types
        case Flagged(wanted):
            flags = [flag.split("/") for flag in document.flags]
            return any(flag == wanted and (archives is None or int(archive) in archives) for archive, flag in flags)
        case MessageId(header_id):
            return document.header_id in {header_id, f"<{header_id}>"}
        case InFolders(ids):
            return not set(ids).isdisjoint(document.folders)
        case InArchives(ids):
            return not set(ids).isdisjoint(document.archives)
    raise AssertionError(f"unresolved: {query}")


def _has(entry: _Entry, leaf: Word | Phrase | Pattern, fields: Sequence[Field]) -> bool:
    match leaf:
        case Word(_, wanted):
            forms = {wanted.word, *wanted.others}
            return entry.has(fields, forms.__contains__)
        case Phrase():
            return entry.has_phrase(fields, leaf)
        case Pattern(_, pattern):
            fits = globs.matcher(pattern)
            return entry.has(fields, lambda term: fits(term) and not term.startswith(STEM))


def _match(entry: _Entry, document: Document, request: Request) -> Match:
    score = float(_score(entry, request.query)) if request.sort is Sort.RELEVANCE else 0.0
    return Match(document.store_id, document.message_id, score, document.date)


def _score(entry: _Entry, query: Query) -> int:
    return sum(worth for leaf in scores.scored(query) for fields, worth in scores.PARTS if _scores(entry, leaf, fields))


def _scores(entry: _Entry, leaf: Word | Phrase | Pattern, fields: Sequence[Field]) -> bool:
    if isinstance(leaf, Pattern):  # scored by its literal prefix, as in the other indexes
        beginning = split_pattern(leaf.pattern)[0]
        return entry.has(fields, lambda term: term.startswith(beginning))
    return _has(entry, leaf, fields)


def _order(match: Match, request: Request) -> tuple[object, ...]:
    place = (match.date, match.message_id, match.store_id)
    return (match.score, *place) if request.sort is Sort.RELEVANCE else place


def _facets(documents: Sequence[Document], request: Request) -> dict[Facet, dict[str, int]]:
    counts: dict[Facet, Counter[str]] = {facet: Counter() for facet in Facet}
    for document in documents:
        allowed = [folder for folder in document.folders if request.folders is None or folder in request.folders]
        counts[Facet.SENDER].update([document.sender] if document.sender else [])
        counts[Facet.YEAR].update([str(document.date.year)])
        counts[Facet.FOLDER].update(str(folder) for folder in allowed)
        counts[Facet.TYPE].update(document.types)
    ordered = {facet: sorted(values.items(), key=lambda item: (-item[1], item[0])) for facet, values in counts.items()}
    return {facet: dict(values[:FACET_VALUES]) for facet, values in ordered.items() if values}
