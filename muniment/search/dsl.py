"""Queries in the query language of OpenSearch."""

from __future__ import annotations

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
    Sized,
    Word,
    split_pattern,
)
from muniment.search.query import (
    Any as AnyOf,
)

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
            return {"terms": {_name(field): [wanted.word, *wanted.stems]}}
        case Pattern(field, pattern):
            return _pattern(_name(field), pattern)
        case Phrase(field, words):
            return _phrase([field] if field else _PHRASED, words)
        case Dated(first, end):
            bounds = {"gte": first and milliseconds(first), "lt": end and milliseconds(end)}
            return {"range": {"date": {key: value for key, value in bounds.items() if value is not None}}}
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
    return {"wildcard": {name: {"value": pattern}}}


def _phrase(fields: tuple[Field, ...] | list[Field], words: tuple[str, ...]) -> Json:
    if len(words) == 1:
        return _any([{"term": {field.value: words[0]}} for field in fields])
    return _any([{"match_phrase": {field.value: " ".join(words)}} for field in fields])


def _worth(query: Query) -> list[Json]:
    return [
        {"constant_score": {"filter": _within(leaf, fields), "boost": worth}}
        for leaf in scores.scored(query)
        for fields, worth in scores.PARTS
    ]


def _within(leaf: Word | Phrase | Pattern, fields: tuple[Field, ...]) -> Json:
    match leaf:
        case Word(_, wanted):
            return _any([{"terms": {field.value: [wanted.word, *wanted.stems]}} for field in fields])
        case Phrase(_, words):
            return _phrase(fields, words)
        case Pattern(_, pattern):
            return _any([{"prefix": {field.value: {"value": split_pattern(pattern)[0]}}} for field in fields])
