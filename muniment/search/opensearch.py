"""The index in OpenSearch: an index per archive store and generation, behind one alias that searches use."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from opensearchpy import AsyncOpenSearch
from opensearchpy.exceptions import ConnectionError as OpenSearchConnectionError
from opensearchpy.exceptions import ConnectionTimeout, OpenSearchException, SSLError, TransportError

from muniment.errors import Misconfigured, RequestTooLarge, SearchTooSlow, SearchUnavailable, TooComplex
from muniment.search.dsl import Json, body
from muniment.search.mapping import PROPERTIES, fields, template
from muniment.search.port import Change, Facet, IndexFailure, Match, Matches, Request, Sort, Target
from muniment.secrecy import Secret, check_url

#: Bytes of one bulk request. OpenSearch accepts 100 MB, but sending blocks the event loop.
BULK_BYTES = 1_000_000

# The library logs every request; failures arrive as exceptions anyway.
logging.getLogger("opensearch").setLevel(logging.CRITICAL)

_SECONDS = 60
_GRACE_SECONDS = 5.0
#: In the descriptions of errors: a search that was cancelled, and one that OpenSearch cannot expand.
_CANCELLED = ("task_cancelled_exception", "TaskCancelledException", "cancelled task with reason")
_COMPLEX = (
    "too_complex_to_determinize",
    "TooComplexToDeterminize",
    "too_many_clauses",
    "too_many_nested_clauses",
    "TooManyClauses",
    "maxClauseCount",
)
_LATER = {408, 413, 429, 500, 502, 503, 504}
_NOT_FOUND = 404
_CONFLICT = 409  # the index has a later version
_NOT_ALLOWED = {401, 403}


class OpenSearchIndex:
    """An index that all processes share."""

    backend = "opensearch"

    def __init__(self, client: AsyncOpenSearch, prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self._prepared: set[str] = set()

    @classmethod
    def open(
        cls,
        url: Secret,
        *,
        prefix: str,
        ca_file: Path | None = None,
        certificate: Path | None = None,
        key: Path | None = None,
    ) -> OpenSearchIndex:
        """Create a client, which connects on first use; the URL may contain a user and a password.

        `ca_file`: certificate of the trusted CA; None: the system's CAs. `certificate`, `key`: the client certificate.
        """
        check_url(url, "MUNIMENT_OPENSEARCH_URL", ("http", "https"))
        for file in (ca_file, certificate, key):
            if file is not None and not file.is_file():
                raise Misconfigured(f"there is no file {file}", hint="Check the MUNIMENT_OPENSEARCH_… settings.")
        options: dict[str, Any] = {"ca_certs": str(ca_file)} if ca_file else {}
        if certificate:
            options |= {"client_cert": str(certificate), "client_key": str(key or certificate)}
        client = AsyncOpenSearch(hosts=[url.reveal()], timeout=_SECONDS, max_retries=0, **options)
        return cls(client, prefix)

    async def close(self) -> None:
        """Close connections."""
        await self._client.close()

    async def prepare(self, targets: Sequence[Target]) -> None:
        """Create what is missing: the template, one index per generation, and the alias of the live indexes."""
        wanted = {self._name(t.store_id, g) for t in targets for g in (t.live, t.building) if g is not None}
        with _translated():
            await self._client.indices.put_index_template(name=self._prefix, body=template(self._prefix))
            there = set(await self._client.indices.get(index=f"{self._prefix}-*", expand_wildcards="all"))
            for name in sorted(wanted - there):
                await self._create(name)
            for name in sorted(wanted & there):  # an index of an earlier version lacks properties
                await self._client.indices.put_mapping(index=name, body={"properties": PROPERTIES})
            add = [{"add": {"index": self._name(t.store_id, t.live), "alias": self._prefix}} for t in targets]
            if add:
                await self._client.indices.update_aliases(body={"actions": add})
        self._prepared = wanted

    async def apply(self, targets: Sequence[Target], changes: Sequence[Change]) -> list[IndexFailure]:
        """Send changes in bulk."""
        chosen = {target.store_id: target for target in targets}
        if {self._name(t.store_id, g) for t in targets for g in (t.live, t.building) if g} - self._prepared:
            await self.prepare(targets)
        operations = await asyncio.to_thread(self._operations, chosen, changes)
        failures: dict[tuple[int, int], IndexFailure] = {}
        for bulk in _bulks(operations):
            for failure in await self._send(bulk):
                failures[failure.store_id, failure.message_id] = failure
        return list(failures.values())

    async def search(self, request: Request) -> Matches:
        """Find messages."""
        with _translated(), _limited(request):
            found = await self._client.search(
                index=self._prefix,
                body=body(request),
                params={
                    "ignore_unavailable": "true",
                    "cancel_after_time_interval": f"{max(1, round(request.seconds * 1000))}ms",
                    "request_timeout": request.seconds + _GRACE_SECONDS,
                },
            )
        if found.get("timed_out"):
            raise _too_slow(request)
        facets = {
            Facet(name): {bucket["key"]: bucket["doc_count"] for bucket in facet["buckets"]}
            for name, facet in found.get("aggregations", {}).items()
        }
        page = [_match(hit["sort"], by_score=request.sort is Sort.RELEVANCE) for hit in found["hits"]["hits"]]
        return Matches(page, found["hits"]["total"]["value"], facets)

    async def count(self, target: Target) -> int:
        """Return the number of a store's messages that searches see."""
        name = self._name(target.store_id, target.live)
        with _translated():
            await self._client.indices.refresh(index=name, ignore_unavailable=True)
            found: int = (await self._client.count(index=name, ignore_unavailable=True))["count"]
        return found

    async def ids(self, target: Target, after: int, limit: int) -> list[int]:
        """Return the next ids of a store's messages that searches see."""
        name = self._name(target.store_id, target.live)
        with _translated():
            if not after:
                await self._client.indices.refresh(index=name, ignore_unavailable=True)
            found = await self._client.search(
                index=name,
                body={
                    "size": limit,
                    "_source": False,
                    "track_total_hits": False,
                    "query": {"range": {"id": {"gt": after}}},
                    "sort": [{"id": "asc"}],
                },
                params={"ignore_unavailable": "true"},
            )
        return [hit["sort"][0] for hit in found["hits"]["hits"]]

    async def promote(self, target: Target) -> None:
        """Move the alias from the live generation to the new one, atomically."""
        if target.building is None:
            return
        old, new = self._name(target.store_id, target.live), self._name(target.store_id, target.building)
        with _translated():
            await self._client.indices.refresh(index=new)
            there = await self._client.indices.get(index=f"{self._prefix}-*", expand_wildcards="all")
            actions: list[Json] = [{"add": {"index": new, "alias": self._prefix}}]
            if old in there:
                actions.append({"remove": {"index": old, "alias": self._prefix, "must_exist": False}})
            await self._client.indices.update_aliases(body={"actions": actions})

    async def discard(self, store_id: int, generation: int) -> None:
        """Delete a generation's index."""
        with _translated():
            await self._client.indices.delete(index=self._name(store_id, generation), ignore_unavailable=True)

    async def refresh(self) -> None:
        """Make everything indexed so far visible to searches, which otherwise takes up to a second."""
        with _translated():
            await self._client.indices.refresh(index=self._prefix, ignore_unavailable=True)

    def _name(self, store_id: int, generation: int) -> str:
        return f"{self._prefix}-{store_id}-{generation}"

    async def _create(self, name: str) -> None:
        try:
            await self._client.indices.create(index=name)
        except TransportError as error:
            if error.error != "resource_already_exists_exception":  # another worker created it
                raise

    def _operations(self, targets: dict[int, Target], changes: Sequence[Change]) -> list[tuple[Change, bytes]]:
        """Return the lines of a bulk request per change and generation; CPU work, so it runs in a thread."""
        operations = []
        for change in changes:
            target = targets[change.store_id]
            document = None if change.document is None else msgspec.json.encode(fields(change.document))
            for generation in (None if change.building else target.live, target.building):
                if generation is None:
                    continue
                meta: Json = {
                    "_index": self._name(change.store_id, generation),
                    "_id": str(change.message_id),
                    "version": change.version,
                    "version_type": "external",
                }
                if document is None:
                    lines = msgspec.json.encode({"delete": meta}) + b"\n"
                else:
                    lines = msgspec.json.encode({"index": meta}) + b"\n" + document + b"\n"
                operations.append((change, lines))
        return operations

    async def _send(self, bulk: Sequence[tuple[Change, bytes]]) -> list[IndexFailure]:
        """Send one bulk request; SearchUnavailable if part of it may succeed later."""
        try:
            with _translated():
                answer = await self._client.bulk(body=b"".join(lines for _, lines in bulk))
        except RequestTooLarge as error:
            if len(bulk) == 1:
                return [_failure(bulk[0][0], str(error))]
            middle = len(bulk) // 2
            return [*await self._send(bulk[:middle]), *await self._send(bulk[middle:])]
        if not answer["errors"]:
            return []
        failures = []
        for (change, _), item in zip(bulk, answer["items"], strict=True):
            (result,) = item.values()
            status = result["status"]
            if status < 300 or status == _CONFLICT or (change.document is None and status == _NOT_FOUND):
                continue
            reason = _reason(result.get("error"))
            if status == _NOT_FOUND:
                self._prepared.clear()  # an index was deleted: prepare again before the next attempt
            if status in _LATER or status == _NOT_FOUND:
                raise SearchUnavailable(f"OpenSearch: {reason}")
            failures.append(_failure(change, reason))
        return failures


@contextmanager
def _limited(request: Request) -> Iterator[None]:
    """Raise SearchTooSlow if a search was cancelled at its time limit, and BadQuery if it needs too many words."""
    try:
        yield
    except ConnectionTimeout as error:
        raise _too_slow(request) from error
    except TransportError as error:
        text = str(error.info)
        if any(sign in text for sign in _CANCELLED):
            raise _too_slow(request) from error
        if any(sign in text for sign in _COMPLEX):
            raise TooComplex from error
        raise


def _too_slow(request: Request) -> SearchTooSlow:
    return SearchTooSlow(f"the search took longer than {request.seconds:g} s")


@contextmanager
def _translated() -> Iterator[None]:
    """Raise Muniment's errors instead of opensearch-py's; none contains the URL, which may contain a password."""
    try:
        yield
    except OpenSearchConnectionError as error:
        if isinstance(error, SSLError) or isinstance(error.info, (ssl.SSLError, ssl.CertificateError)):
            raise Misconfigured(
                f"OpenSearch: TLS failed: {error.info}", hint="Check MUNIMENT_OPENSEARCH_CA_FILE and the certificate."
            ) from error
        raise SearchUnavailable(f"OpenSearch does not answer: {type(error.info).__name__}") from error
    except TransportError as error:
        status, reason = (
            error.status_code,
            _reason(error.info.get("error") if isinstance(error.info, dict) else error.error),
        )
        if status in _NOT_ALLOWED:
            raise Misconfigured(
                f"OpenSearch refuses us: {status}", hint="Check user and password in MUNIMENT_OPENSEARCH_URL."
            ) from error
        if status == 413:
            raise RequestTooLarge(f"OpenSearch: {reason}") from error
        if status in _LATER or status == _NOT_FOUND:
            raise SearchUnavailable(f"OpenSearch: {reason}") from error
        raise Misconfigured(f"OpenSearch: {status}: {reason}") from error
    except OpenSearchException as error:
        raise SearchUnavailable(f"OpenSearch: {error}") from error


def _reason(error: object) -> str:
    if isinstance(error, dict):
        cause = error.get("caused_by") or (error.get("root_cause") or [{}])[0]
        texts = [str(error.get("reason") or error.get("type")), str(cause.get("reason") or "")]
        return ": ".join(dict.fromkeys(filter(None, texts)))[:500]
    return str(error)[:500]


def _failure(change: Change, reason: str) -> IndexFailure:
    return IndexFailure(change.store_id, change.message_id, reason)


def _bulks(operations: Sequence[tuple[Change, bytes]]) -> Iterator[list[tuple[Change, bytes]]]:
    bulk: list[tuple[Change, bytes]] = []
    size = 0
    for change, lines in operations:
        if bulk and size + len(lines) > BULK_BYTES:
            yield bulk
            bulk, size = [], 0
        bulk.append((change, lines))
        size += len(lines)
    if bulk:
        yield bulk


def _match(keys: Sequence[Any], *, by_score: bool) -> Match:
    score, (date, message_id, store_id) = (keys[0], keys[1:]) if by_score else (0.0, keys)
    return Match(store_id, message_id, score, datetime.fromtimestamp(date / 1000, UTC))
