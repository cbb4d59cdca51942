"""Queries in the query language of OpenSearch."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeAlias

from muniment.search import scores
from muniment.search.mapping import EVERYWHERE, milliseconds
from muniment.search.port import FACET_VALUES, Facet, Request, Sort
from muniment.search.query import (
    All,
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
from muniment.search.query import (
    Any as AnyOf,
)
from muniment.search.words import STEM

Json: TypeAlias = dict[str, Any]

_PHRASED = tuple(field for fields, _ in scores.PARTS for field in fields)
_FACETS = {Facet.SENDER: "sender", Facet.YEAR: "year", Facet.FOLDER: "folders", Facet.TYPE: "types"}


def body(request: Request) -> Json:
    """Return the body of a search request."""
    by_score = request.sort is Sort.RELEVANCE
    found: Json = {
        "size": request.limit,
        "_source": False,
        "track_total_hits": True,
        "timeout": f"{max(1, round(request.seconds * 1000))}ms",
        "query": {"bool": {"filter": [_allowed(request), _clause(request.query, request)]}},
        "sort": [*(["_score"] if by_score else []), *({name: "desc"} for name in ("date", "id", "store"))],
    }
    if by_score:
        found["query"]["bool"]["should"] = _worth(request.query)
    if last := request.after:
        place = [milliseconds(last.date), last.message_id, last.store_id]
        found["search_after"] = [last.score, *place] if by_score else place
    if request.facets:
        found["aggs"] = {facet.value: {"terms": _facet(facet, request)} for facet in Facet}
    return found


def _allowed(request: Request) -> Json:
    if request.archives is None:
        return {"term": {"is_filed": True}}
    return {"terms": {"archives": [str(one) for one in request.archives]}}


def _facet(facet: Facet, request: Request) -> Json:
    # A frequent value must not be missed because it is rare in some shard.
    terms: Json = {
        "field": _FACETS[facet],
        "size": FACET_VALUES,
        "shard_size": 1000,
        "order": [{"_count": "desc"}, {"_key": "asc"}],
    }
    if facet is Facet.FOLDER and request.folders is not None:
        terms["include"] = [str(one) for one in request.folders]
    return terms


def _clause(query: Query, request: Request) -> Json:  # noqa: C901, PLR0911, PLR0912 - a case for each kind
    match query:
        case All(parts):
            return {"bool": {"filter": [_clause(part, request) for part in parts]}} if parts else {"match_all": {}}
        case AnyOf(parts):
            return _any([_clause(part, request) for part in parts])
        case Not(part):
            return {"bool": {"must_not": [_clause(part, request)]}}
        case Word(field, wanted):
            return {"terms": {_name(field): [wanted.word, *wanted.others]}}
        case Pattern(field, pattern):
            return _pattern(_name(field), pattern)
        case Phrase(field):
            return _phrase([field] if field else _PHRASED, query)
        case Dated(first, end):
            return _within_time("date", first, end)
        case Received(first, end):
            unknown = {"bool": {"must_not": [{"exists": {"field": "received"}}]}}
            return _any(
                [
                    _within_time("received", first, end),
                    {"bool": {"filter": [unknown, _within_time("date", first, end)]}},
                ]
            )
        case Sized(above, below):
            return {"range": {"size": {k: v for k, v in {"gt": above, "lt": below}.items() if v is not None}}}
        case HasAttachment():
            return {"term": {"has_attachment": True}}
        case OfType(kind):
            return {"term": {"types": kind}}
        case Flagged(flag):
            if request.archives is None:
                return {"wildcard": {"flags": {"value": f"*/{flag.value}"}}}
            return {"terms": {"flags": [f"{archive}/{flag.value}" for archive in request.archives]}}
        case MessageId(header_id):
            return {"terms": {"header_id": [header_id, f"<{header_id}>"]}}
        case InFolders(ids):
            return {"terms": {"folders": [str(one) for one in ids]}}
        case InArchives(ids):
            return {"terms": {"archives": [str(one) for one in ids]}}
    raise AssertionError(f"unresolved: {query}")


def _any(clauses: list[Json]) -> Json:
    return {"bool": {"should": clauses, "minimum_should_match": 1}} if clauses else {"match_none": {}}


def _name(field: Field | None) -> str:
    return field.value if field else EVERYWHERE


def _pattern(name: str, pattern: str) -> Json:
    beginning, rest = split_pattern(pattern)
    if rest == "*":
        return {"prefix": {name: {"value": beginning}}}
    if not beginning:  # it must not find stems
        expression = pattern[1:].replace("?", ".").replace("*", ".*")
        first = f"[^{STEM}]" if pattern[0] == "?" else f"([^{STEM}].*)?"
        return {"regexp": {name: {"value": first + expression}}}
    return {"wildcard": {name: {"value": pattern}}}


def _phrase(fields: tuple[Field, ...] | list[Field], phrase: Phrase) -> Json:
    words = phrase.words
    if len(words) == 1:
        return _any([{"term": {field.value: words[0]}} for field in fields])
    if phrase.is_open:
        return _any([_open_phrase(field.value, words) for field in fields])
    return _any([{"match_phrase": {field.value: " ".join(words)}} for field in fields])


def _open_phrase(name: str, words: tuple[str, ...]) -> Json:
    """Return the query for adjacent words of which the last may go on.

    Not match_phrase_prefix: it leaves out continuations beyond a number without saying so.
    """
    spans: list[Json] = [{"span_term": {name: word}} for word in words[:-1]]
    spans.append({"span_multi": {"match": {"prefix": {name: {"value": words[-1]}}}}})
    return {"span_near": {"clauses": spans, "slop": 0, "in_order": True}}


def _within_time(name: str, first: datetime | None, end: datetime | None) -> Json:
    bounds = {"gte": first and milliseconds(first), "lt": end and milliseconds(end)}
    return {"range": {name: {key: value for key, value in bounds.items() if value is not None}}}


def _worth(query: Query) -> list[Json]:
    return [
        {"constant_score": {"filter": _within(leaf, fields), "boost": worth}}
        for leaf in scores.scored(query)
        for fields, worth in scores.PARTS
    ]


def _within(leaf: Word | Phrase | Pattern, fields: tuple[Field, ...]) -> Json:
    match leaf:
        case Word(_, wanted):
            return _any([{"terms": {field.value: [wanted.word, *wanted.others]}} for field in fields])
        case Phrase():
            return _phrase(fields, leaf)
        case Pattern(_, pattern):
            return _any([{"prefix": {field.value: {"value": split_pattern(pattern)[0]}}} for field in fields])
