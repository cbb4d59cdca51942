"""Behaviour of OpenSearch that a healthy node never shows, and connections to secured nodes."""

from __future__ import annotations

import base64
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from muniment.errors import Misconfigured, SearchTooSlow, SearchUnavailable, TooComplex
from muniment.model.document import Document
from muniment.search import Change, OpenSearchIndex, Request, Target, parse
from muniment.search.mapping import PROPERTIES
from muniment.search.query import HasAttachment
from muniment.secrecy import Secret
from muniment.services.indexing.drain_outbox import drain_outbox
from muniment.services.indexing.show_index import show_index
from tests.integration.search.test_queries import read_in
from tests.support.certificates import Certificate, self_signed
from tests.support.harness import Harness
from tests.support.opensearch import OpenSearchNode
from tests.support.principal import ADMIN

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
TARGETS = [Target(1, 1)]


def change(number: int, text: str = "word") -> Change:
    """Return a change of a message."""
    document = Document(
        store_id=1,
        message_id=number,
        version=1,
        sha256=bytes(32),
        size=1,
        header_id="",
        date=_NOW,
        sent=None,
        received=None,
        archived=_NOW,
        body=(text,),
    )
    return Change(1, number, 1, document)


class Pretender:
    """A server that claims to be OpenSearch and answers as scripted."""

    def __init__(self) -> None:
        self.headers: list[str] = []
        self.bulks: list[int] = []
        self.answer: Callable[[list[dict[str, Any]]], web.Response] = accepted
        self.found: Callable[[], web.Response] = lambda: web.json_response({})
        self.searches: list[tuple[dict[str, str], dict[str, Any]]] = []
        self.port = 0

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one request."""
        self.headers.append(request.headers.get("Authorization", ""))
        if request.path == "/_bulk":
            lines = [msgspec.json.decode(line) for line in (await request.read()).splitlines()]
            operations = [line for line in lines if "index" in line and "_index" in str(line["index"])]
            self.bulks.append(len(operations))
            return self.answer(operations)
        if request.path.endswith("/_search"):
            self.searches.append((dict(request.query), msgspec.json.decode(await request.read())))
            return self.found()
        if request.path == "/":
            return web.json_response({"version": {"number": "2.19.1", "distribution": "opensearch"}})
        return web.json_response({})


def accepted(operations: list[dict[str, Any]]) -> web.Response:
    """Answer that every operation succeeded."""
    return web.json_response({"errors": False, "items": [{"index": {"status": 201}} for _ in operations]})


def each(status: Callable[[int], int]) -> Callable[[list[dict[str, Any]]], web.Response]:
    """Answer with a status for each operation, by its message."""

    def answer(operations: list[dict[str, Any]]) -> web.Response:
        statuses = [status(int(one["index"]["_id"])) for one in operations]
        items = [{"index": {"status": one, "error": {"type": "t", "reason": f"because {one}"}}} for one in statuses]
        return web.json_response({"errors": True, "items": items})

    return answer


@pytest.fixture
async def pretender() -> AsyncIterator[Pretender]:
    """Yield a running pretender."""
    found = Pretender()
    async for port in _serve(found, None):
        found.port = port
        yield found


async def _serve(pretender: Pretender, context: ssl.SSLContext | None) -> AsyncIterator[int]:
    app = web.Application(client_max_size=2**30)
    app.router.add_route("*", "/{path:.*}", pretender.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    assert site._server is not None
    yield site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    await runner.cleanup()


async def apply(index: OpenSearchIndex, *changes: Change) -> list[tuple[int, str]]:
    """Apply changes and return the refused messages with the reasons."""
    found = await index.apply(TARGETS, changes)
    return [(one.message_id, one.reason) for one in found]


@pytest.fixture
async def index(pretender: Pretender) -> AsyncIterator[OpenSearchIndex]:
    """Return an index on the pretender."""
    opened = OpenSearchIndex.open(Secret(f"http://127.0.0.1:{pretender.port}"), prefix="p")
    yield opened
    await opened.close()


async def test_poison_is_told_apart(pretender: Pretender, index: OpenSearchIndex) -> None:
    """Documents of a bulk that are refused permanently are reported; a conflict with a later version is no error."""
    pretender.answer = each(lambda number: {2: 400, 3: 409}.get(number, 201))

    assert await apply(index, change(1), change(2), change(3)) == [(2, "because 400")]


def failed(kind: str, reason: str, status: int) -> web.Response:
    """Answer as OpenSearch does when a search fails in its shards."""
    cause = {"type": kind, "reason": reason}
    error = {"type": "search_phase_execution_exception", "reason": "all shards failed", "root_cause": [cause]}
    return web.json_response({"error": {**error, "caused_by": cause}, "status": status}, status=status)


@pytest.mark.parametrize(
    "found",
    [
        lambda: web.json_response({"timed_out": True, "hits": {"total": {"value": 1}, "hits": []}}),
        lambda: failed("task_cancelled_exception", "cancelled task with reason: Cancellation timeout of 50ms", 500),
    ],
)
async def test_a_search_ends_at_its_limit(
    pretender: Pretender, index: OpenSearchIndex, found: Callable[[], web.Response]
) -> None:
    """OpenSearch is told the time limit; what it found when it gave up is not shown as if it were everything."""
    pretender.found = found
    with pytest.raises(SearchTooSlow, match=r"longer than 0\.05 s"):
        await index.search(Request(HasAttachment(), None, seconds=0.05))
    (query, body), *_ = pretender.searches

    assert query["cancel_after_time_interval"] == body["timeout"] == "50ms"


async def test_a_pattern_that_needs_too_many_words(pretender: Pretender, index: OpenSearchIndex) -> None:
    """Where OpenSearch cannot expand a pattern, the error says that the query is the reason, and what to write."""
    pretender.found = lambda: failed("too_complex_to_determinize_exception", "Determinizing *a?b would take", 400)
    with pytest.raises(TooComplex):
        await index.search(Request(HasAttachment(), None))


@pytest.mark.parametrize("status", [429, 503])
async def test_overload_takes_the_whole_bulk_back(pretender: Pretender, index: OpenSearchIndex, status: int) -> None:
    """If part of a bulk is refused for lack of capacity, no document is set aside: the whole bulk is retried later."""
    pretender.answer = each(lambda number: status if number == 2 else 201)

    with pytest.raises(SearchUnavailable, match=f"because {status}"):
        await apply(index, change(1), change(2))


@pytest.mark.parametrize("status", [429, 502, 503, 504, 500])
async def test_refused_requests_are_for_later(pretender: Pretender, index: OpenSearchIndex, status: int) -> None:
    """A node or proxy that is overloaded says nothing about the documents: the bulk is retried later."""
    pretender.answer = lambda _: web.json_response({"error": "busy"}, status=status)

    with pytest.raises(SearchUnavailable):
        await apply(index, change(1))


async def test_large_bulks_are_cut(pretender: Pretender, index: OpenSearchIndex) -> None:
    """Bulks are small; one that is too large for the node is halved, and a single document is set aside."""
    pretender.answer = lambda operations: (
        web.json_response({"error": "too large"}, status=413) if len(operations) > 1 else accepted(operations)
    )
    halved = await apply(index, *(change(number) for number in range(1, 5)))
    pretender.answer = lambda _: web.json_response({"error": "too large"}, status=413)
    alone = await apply(index, change(9))
    pretender.answer, pretender.bulks = accepted, []
    await apply(index, *(change(number, " ".join(f"w{n}" for n in range(40_000))) for number in range(8)))

    assert halved == []
    assert alone[0][0] == 9
    assert len(pretender.bulks) > 1


@pytest.mark.parametrize("status", [401, 403])
async def test_wrong_password_is_a_setting(pretender: Pretender, index: OpenSearchIndex, status: int) -> None:
    """A refused login is a configuration error, without secrets in its message."""
    pretender.answer = lambda _: web.json_response({"error": "no"}, status=status)

    with pytest.raises(Misconfigured, match="refuses us"):
        await apply(index, change(1))


async def test_nobody_listens(port: int) -> None:
    """A node that does not listen is reported as unavailable, with advice."""
    index = OpenSearchIndex.open(Secret(f"http://admin:hush@127.0.0.1:{port}"), prefix="p")
    with pytest.raises(SearchUnavailable, match="does not answer") as error:
        await index.count(Target(1, 1))
    await index.close()

    assert "hush" not in str(error.value)
    assert "MUNIMENT_OPENSEARCH_URL" in error.value.hint


async def test_user_and_password(pretender: Pretender) -> None:
    """The user and password from the URL are sent to the node."""
    index = OpenSearchIndex.open(Secret(f"http://adm%40in:p%2Fw@127.0.0.1:{pretender.port}"), prefix="p")
    await apply(index, change(1))
    await index.close()

    assert set(pretender.headers) == {"Basic " + base64.b64encode(b"adm@in:p/w").decode()}


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    """Return a certificate for this machine."""
    return self_signed(tmp_path, "127.0.0.1")


async def test_tls_with_a_client_certificate(certificate: Certificate, tmp_path: Path) -> None:
    """A TLS node that requires a client certificate is reached with the files named in the settings."""
    pretender = Pretender()
    client = tmp_path / "client"
    client.mkdir()
    mine = self_signed(client, "client.example")
    context = certificate.server_context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(mine.path)
    found = None
    async for port in _serve(pretender, context):
        url = Secret(f"https://127.0.0.1:{port}")
        index = OpenSearchIndex.open(
            url, prefix="p", ca_file=certificate.path, certificate=mine.path, key=mine.key_path
        )
        found = await apply(index, change(1))
        await index.close()
        stranger = OpenSearchIndex.open(url, prefix="p", ca_file=certificate.path)
        with pytest.raises((SearchUnavailable, Misconfigured)):
            await apply(stranger, change(1))
        await stranger.close()
        trusting = OpenSearchIndex.open(url, prefix="p", certificate=mine.path, key=mine.key_path)
        with pytest.raises(Misconfigured, match="TLS"):
            await apply(trusting, change(1))
        await trusting.close()

    assert found == []


def test_files_that_are_not_there(tmp_path: Path) -> None:
    """A missing file named in a setting is reported at startup."""
    with pytest.raises(Misconfigured, match=r"there is no file .*ca\.pem"):
        OpenSearchIndex.open(Secret("https://h:9200"), prefix="p", ca_file=tmp_path / "ca.pem")
    with pytest.raises(Misconfigured, match="MUNIMENT_OPENSEARCH_URL"):
        OpenSearchIndex.open(Secret("ftp://h:9200"), prefix="p")


async def test_an_hour_without_opensearch_costs_only_delay(harness: Harness, port: int) -> None:
    """While OpenSearch is down, mail is archived, drains pause, and the status says why; nothing is set aside."""
    away = OpenSearchIndex.open(Secret(f"http://127.0.0.1:{port}"), prefix="p")
    without = Harness(replace(harness.resources, index=away), harness.folder)
    with pytest.raises(SearchUnavailable):
        await read_in(without)
    paused = await drain_outbox(without.resources)
    status = await show_index(ADMIN, without.resources)
    await away.close()

    assert paused == 0
    assert (status.indexed, status.coverage, status.failed) == (None, None, 0)
    assert status.outbox == status.messages > 0
    assert status.pause is not None
    assert "does not answer" in status.error


async def test_an_index_of_an_earlier_version_gets_new_properties(
    opensearch: OpenSearchNode, new_prefix: Callable[[], str]
) -> None:
    """An index whose mapping lacks properties accepts documents that have them, without a rebuild."""
    prefix = new_prefix()
    index = OpenSearchIndex.open(opensearch.url, prefix=prefix)
    old = {name: kind for name, kind in PROPERTIES.items() if name not in {"link", "replyto", "sent_by", "delivered"}}
    await index._client.indices.create(
        index=f"{prefix}-1-1", body={"mappings": {"dynamic": "strict", "properties": old}}
    )
    new = change(1)
    assert new.document is not None
    new = replace(new, document=replace(new.document, links=("https://evil.example/",), is_filed=True))
    failures = await index.apply(TARGETS, [new])
    await index.refresh()
    found = await index.search(Request(parse("link:evil.example", now=_NOW, zone=UTC), None))
    await index.close()

    assert failures == []
    assert found.total == 1
