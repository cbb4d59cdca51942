"""Dialogues with hostile servers, a small sample of those that `make fuzz` runs by the million."""

from __future__ import annotations

import os
from itertools import islice

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.fuzzer import Fuzzer, inputs
from tests.fuzz.pieces import PIECES


@given(st.binary(max_size=1500))
@settings(max_examples=300, deadline=None, derandomize="CI" in os.environ, suppress_health_check=[HealthCheck.too_slow])
def test_any_server(data: bytes) -> None:
    """Whatever a server does, the client ends in time, with one of our errors, and delivers no wrong byte."""
    fuzzer = Fuzzer()
    try:
        fuzzer.run(b"\0" + data)
    finally:
        fuzzer.close()


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None, derandomize="CI" in os.environ)
def test_any_plaintext_before_tls(data: bytes) -> None:
    """Whatever is said before TLS, the client begins the handshake only after an OK that nothing follows."""
    fuzzer = Fuzzer()
    try:
        fuzzer.run(b"\xe8" + data)
    finally:
        fuzzer.close()


def test_all_endings_of_a_starttls(fuzzer: Fuzzer) -> None:
    """Correct servers, hostile ones and injected plaintext all occur."""
    for data in islice(inputs(0), 100):
        fuzzer.run(b"\xe8" + data)

    assert {"ok", "PlaintextInjected", "ProtocolViolation", "ServerUnavailable"} <= set(fuzzer.starttls)


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None, derandomize="CI" in os.environ)
def test_any_part_of_a_mailbox(data: bytes) -> None:
    """Whatever part of a mailbox each POP3 session shows, the client ends, and calls no list whole that is not."""
    fuzzer = Fuzzer()
    try:
        fuzzer.run(b"\xf0" + data)
    finally:
        fuzzer.close()


def test_all_endings_of_pop3_lists(fuzzer: Fuzzer) -> None:
    """Whole lists and parts both occur."""
    for data in islice(inputs(0), 100):
        fuzzer.run(b"\xf0" + data)

    assert min(fuzzer.lists["whole"], fuzzer.lists["doubtful"]) > 50


@pytest.mark.proof
def test_random_servers(fuzzer: Fuzzer) -> None:
    """The same holds for the inputs of `make fuzz`; all kinds of inputs occur."""
    for data in islice(inputs(0), 500):
        fuzzer.run(data)

    tally = fuzzer.tally
    assert tally.answers > 10_000
    assert tally.compared > 1000
    assert min(tally.valid, tally.dialogues - tally.valid) > 50
    assert {"ok", "ProtocolViolation", "ServerUnavailable"} <= set(tally.endings)
    assert len(tally.mutations) >= 17
    assert len(fuzzer.pieces) >= len(PIECES) - 1


def test_the_simplest_server(fuzzer: Fuzzer) -> None:
    """At the end of the choices, the server is correct: hypothesis shrinks towards that."""
    fuzzer.run(b"")

    assert (fuzzer.tally.valid, fuzzer.tally.endings) == (1, {"ok": 1})
