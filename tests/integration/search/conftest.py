"""Both indexes, behind one port."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from muniment.search import OpenSearchIndex, PostgresIndex, SearchIndex
from tests.support.harness import Harness

_numbers = itertools.count(1)


@pytest.fixture(params=["postgresql", "opensearch"])
async def index(request: pytest.FixtureRequest) -> AsyncIterator[SearchIndex]:
    """Each of the indexes in turn, empty."""
    if request.param == "postgresql":
        yield PostgresIndex()
        return
    node = request.getfixturevalue("opensearch")
    opened = OpenSearchIndex.open(node.url, prefix=f"test{next(_numbers)}")
    yield opened
    await opened.close()


@pytest.fixture
def searching(harness: Harness, index: SearchIndex) -> Harness:
    """The harness with each of the indexes in turn."""
    return Harness(replace(harness.resources, index=index), harness.folder)
