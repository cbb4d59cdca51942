from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fuzz.fuzzer import Fuzzer


@pytest.fixture
def fuzzer() -> Iterator[Fuzzer]:
    """Yield a fuzzer and close it."""
    fuzzer = Fuzzer()
    yield fuzzer
    fuzzer.close()
