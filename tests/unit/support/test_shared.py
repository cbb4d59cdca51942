"""Servers that the processes of a test session share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import pytest

from tests.support.ports import free_port
from tests.support.shared import BorrowedServers, Lender, LocalServers, Servers


class Offer:
    """A server that counts how often it is started and ended."""

    def __init__(self) -> None:
        self.started = self.ended = 0

    @contextmanager
    def running(self) -> Iterator[str]:
        """Run it."""
        self.started += 1
        yield f"server {self.started}"
        self.ended += 1


def broken() -> NoReturn:
    raise OSError("no room for it")


def absent() -> NoReturn:
    pytest.skip("it is not installed")


def test_one_server_for_all_processes() -> None:
    """The first who asks starts it, everybody gets the same, and it ends with the session."""
    offer, unwanted = Offer(), Offer()
    local = LocalServers({"server": offer.running, "unwanted": unwanted.running})
    lender = Lender(local)
    workers: list[Servers] = [BorrowedServers(lender.address, lender.key) for _ in range(3)]

    given = [servers.get("server") for servers in (*workers, local)]
    ended = offer.ended
    lender.close()

    assert given == ["server 1"] * 4
    assert (ended, offer.ended) == (0, 1)
    assert unwanted.started == 0


def test_a_server_that_does_not_start_fails_or_skips_every_test() -> None:
    """Whoever asks is told why, as if the server had been started in its own process."""
    lender = Lender(LocalServers({"broken": broken, "absent": absent}))
    worker = BorrowedServers(lender.address, lender.key)

    for _ in range(2):
        with pytest.raises(pytest.fail.Exception, match="no room for it"):
            worker.get("broken")
        with pytest.raises(pytest.skip.Exception, match="it is not installed"):
            worker.get("absent")
    lender.close()


def test_ports_are_given_once() -> None:
    """Ports of one process differ, and rows do not overlap."""
    rows = [free_port(3) for _ in range(20)]
    ports = [first + number for first in rows for number in range(3)]

    assert len(set(ports)) == 60
