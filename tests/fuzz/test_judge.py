"""The fuzzer's judge checks each promise of the IMAP client, and catches a client that breaks one."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any
from weakref import WeakKeyDictionary

import pytest

from muniment.imap import fetched, tokens
from muniment.imap.fetch_stream import FetchStream
from muniment.imap.protocol import ImapProtocol
from muniment.imap.receiver import Receiver
from muniment.mailserver.patience import Patience
from muniment.mailserver.redaction import Redactor
from muniment.mailserver.spool import DiscardSink
from muniment.mailserver.starttls import Plaintext
from muniment.model.message import MemoryMessage
from muniment.pop3.listings import Listings
from tests.fuzz.choices import Choices
from tests.fuzz.fuzzer import Fuzzer, inputs
from tests.fuzz.pieces import Piece, probe_time
from tests.fuzz.virtual import Finding


def _cut_bodies(patch: pytest.MonkeyPatch) -> None:
    true = MemoryMessage.__init__
    patch.setattr(MemoryMessage, "__init__", lambda self, data: true(self, data[:-1]))


def _mixed_up(patch: pytest.MonkeyPatch) -> None:
    true = fetched.Fetched.message
    last: list[Any] = []

    def message(self: fetched.Fetched, most: int) -> Any:
        result = true(self, most)
        last.append(result.raw)
        if len(last) < 2 or result.raw is None:
            return result
        result.raw.close()  # it may be a spool file
        wrong = MemoryMessage(b"Message-ID: <0.1@fuzz>\r\n")
        return type(result)(result.uid, result.flags, result.internal_date, wrong, "")

    patch.setattr(fetched.Fetched, "message", message)


def _atoms_are_content(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(fetched, "String", bytes)


def _no_clock(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ImapProtocol, "_start_clock", lambda _: None)


def _everything_is_progress(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Patience, "keep_alive", Patience.progress)


def _stumbles(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(tokens, "_MAX_DEPTH", 10**9)
    patch.delattr(tokens, "shown")


def _keeps_all(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("muniment.imap.receiver.MAX_RESPONSE_BYTES", 1 << 40)
    kept: list[bytes] = []
    true = Receiver.feed

    def feed(self: Receiver, data: bytes) -> None:
        kept.append(bytes(bytearray(data)) * 64)
        true(self, data)

    patch.setattr(Receiver, "feed", feed)
    patch.setattr(DiscardSink, "write", lambda _, data: kept.append(bytes(data)))


def _shows_secrets(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Redactor, "hide", lambda _, text: text)


def _never_resumes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ImapProtocol, "resume", lambda _: None)


def _twice(patch: pytest.MonkeyPatch) -> None:
    true = FetchStream._enqueue

    def enqueue(self: FetchStream, message: Any) -> None:
        true(self, message)
        self._queue.append(message)

    patch.setattr(FetchStream, "_enqueue", enqueue)


DEFECTS: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], str]] = {
    "a byte is lost": (_cut_bodies, "is not b|did not send"),
    "messages are mixed up": (_mixed_up, "is not b|did not send"),
    "an atom is taken for content": (_atoms_are_content, "did not send"),
    "no timer runs": (_no_clock, "forever|silent|no part"),
    "keep-alives count without a limit": (_everything_is_progress, "no part"),
    "the parser raises another error": (_stumbles, "undocumented"),
    "memory grows": (_keeps_all, "leaked"),
    "a secret is shown": (_shows_secrets, "shows the password"),
    "reading stays paused": (_never_resumes, "reading is paused"),
    "a message is delivered twice": (_twice, "delivered twice"),
}


def _talk(fuzzer: Fuzzer) -> None:
    for data in islice(inputs(1), 6000):
        fuzzer.run(b"\0" + data)


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_planted_defect_is_found(monkeypatch: pytest.MonkeyPatch, fuzzer: Fuzzer, defect: str) -> None:
    """Every promise is really checked: a client that breaks it is caught."""
    plant, says = DEFECTS[defect]
    plant(monkeypatch)

    with pytest.raises(Finding, match=says):
        _talk(fuzzer)


def _goes_on(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Plaintext, "check_silence", lambda _: None)


def _reads_ahead(patch: pytest.MonkeyPatch) -> None:
    held = WeakKeyDictionary[Plaintext, bytearray]()

    async def byte(self: Plaintext) -> bytes:
        buffer = held.setdefault(self, bytearray())
        buffer += b"" if buffer else await self._loop.sock_recv(self._tcp, 4096)
        if not buffer:
            raise EOFError
        return bytes([buffer.pop(0)])

    patch.setattr(Plaintext, "_byte", byte)


@pytest.mark.parametrize(
    ("plant", "says"), [(_goes_on, "although the server has said"), (_reads_ahead, "something injected")]
)
def test_a_careless_starttls_is_found(
    monkeypatch: pytest.MonkeyPatch, fuzzer: Fuzzer, plant: Callable[[pytest.MonkeyPatch], None], says: str
) -> None:
    """A client that begins TLS although more was said, or that reads ahead, is caught."""
    plant(monkeypatch)

    with pytest.raises(Finding, match=says):
        _begin_tls(fuzzer)


def test_a_credulous_client_is_found(monkeypatch: pytest.MonkeyPatch, fuzzer: Fuzzer) -> None:
    """A client that takes every POP3 list for the whole mailbox is caught."""
    monkeypatch.setattr(Listings, "doubt", lambda *_: "")

    with pytest.raises(Finding, match="whole"):
        _list(fuzzer)


def _list(fuzzer: Fuzzer) -> None:
    for data in islice(inputs(1), 500):
        fuzzer.run(b"\xf0" + data)


def _begin_tls(fuzzer: Fuzzer) -> None:
    for data in islice(inputs(1), 500):
        fuzzer.run(b"\xe8" + data)


def test_quadratic_time_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parser with quadratic time is caught, and one with linear time is not."""

    def quadratic(data: bytes) -> object:
        return [data[at:] for at in range(0, len(data), 2)]

    pieces = (Piece("quadratic", quadratic, ((b"", b""),), (b"x",)),)
    monkeypatch.setattr("tests.fuzz.pieces.PIECES", pieces)
    with pytest.raises(Finding, match="quadratic takes"):
        probe_time(Choices(b""))

    monkeypatch.setattr("tests.fuzz.pieces.PIECES", (Piece("linear", bytes.hex, ((b"", b""),), (b"x",)),))
    assert probe_time(Choices(b"")) == "linear"
