"""Fixtures of the acceptance tests: the real system, and a private mail system to archive."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

import pytest

from muniment.demo.dovecot import Dovecot
from tests.support.shell import Shell
from tests.support.source import Source
from tests.support.system import System, system

MakeSource = Callable[..., Source]


@pytest.fixture
def up() -> Iterator[System]:
    """Yield a system that is ready; the test may stop it with `up.end()` or do anything else to it."""
    with system() as started:
        started.start()
        yield started


@pytest.fixture
def make_source(dovecot: Dovecot, new_address: Callable[[], str], request: pytest.FixtureRequest) -> MakeSource:
    """Return a function that creates mailboxes with mail, always the same for the same test."""

    def make(mailboxes: int, messages: int, *, changes_numbers: bool = False) -> Source:
        seed = zlib.crc32(f"{request.node.path.name}::{request.node.name}".encode())
        addresses = [new_address() for _ in range(mailboxes)]
        source = Source(dovecot, addresses, seed, changes_numbers=changes_numbers)
        if messages:
            source.grow(messages)
        return source

    return make


@pytest.fixture(scope="module")
def running() -> Iterator[System]:
    """Yield one system for all tests of this module."""
    with system() as started:
        started.start()
        yield started


@pytest.fixture
def shell(running: System, dovecot: Dovecot) -> Shell:
    """Return a shell on the system."""
    return Shell(running, dovecot)
