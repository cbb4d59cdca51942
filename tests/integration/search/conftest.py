"""Both indexes behind the same port."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from muniment.search import MemoryIndex, OpenSearchIndex, PostgresIndex, SearchIndex
from tests.support.harness import Harness


@pytest.fixture(params=["postgresql", "opensearch", "memory"])
async def index(
    request: pytest.FixtureRequest, harness: Harness, new_prefix: Callable[[], str]
) -> AsyncIterator[SearchIndex]:
    """Each of the indexes in turn, empty."""
    if request.param == "postgresql":
        yield PostgresIndex(harness.database)
        return
    if request.param == "memory":
        yield MemoryIndex()
        return
    node = request.getfixturevalue("opensearch")
    opened = OpenSearchIndex.open(node.url, prefix=new_prefix())
    yield opened
    await opened.close()


@pytest.fixture
def searching(harness: Harness, index: SearchIndex) -> Harness:
    """The harness with each of the indexes in turn."""
    return Harness(replace(harness.resources, index=index), harness.folder)
