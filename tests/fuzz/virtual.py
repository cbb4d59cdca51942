"""Virtual time: an event loop whose clock jumps to the next timer, and a transport without a socket."""

from __future__ import annotations

import asyncio
import os
import selectors
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from muniment.imap.protocol import ImapProtocol

_PAGE = os.sysconf("SC_PAGE_SIZE")


class Finding(AssertionError):
    """The client broke a promise."""


@dataclass(slots=True)
class Send:
    """Bytes that the server sends repeatedly after `delay` seconds; `idle` ones are no progress towards an answer."""

    data: bytes
    delay: float = 0.0
    times: int = 1
    idle: bool = False


@dataclass(slots=True)
class End:
    """The connection closes, with a FIN or a reset."""

    error: Exception | None = None


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop without I/O; if nothing is ready and no timer runs, a task would wait forever: a Finding."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_Leap(self._leap))
        self.watch: Callable[[float], None] = lambda _: None
        self.errors: list[str] = []
        self.set_exception_handler(self._complain)

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._now

    def _leap(self, timeout: float | None) -> None:
        if timeout is None:
            raise Finding("the client waits forever: no task and no timer is running")
        self._now += timeout
        self.watch(self._now)

    def _complain(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.errors.append(f"{context['message']}: {context.get('exception')!r}")


class _Leap(selectors.SelectSelector):
    """A selector that does not really wait."""

    def __init__(self, leap: Callable[[float | None], None]) -> None:
        super().__init__()
        self._leap_to = leap

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Advance the time; nothing ever becomes ready."""
        if timeout is None or timeout > 0:
            self._leap_to(timeout)
        return []

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """Return what is registered."""
        return super().get_map() or {}


class Wire(asyncio.Transport):
    """The connection between a protocol and a server, which is a function from lines to what it sends.

    `stream` is everything that the protocol received, in order; None if too much to keep. `kept` counts its bytes.
    """

    def __init__(
        self,
        loop: VirtualLoop,
        protocol: ImapProtocol,
        received: Callable[[bytes], Iterable[Send | End]],
        *,
        timeout_seconds: float,
        memory_bytes: int,
    ) -> None:
        super().__init__()
        self._loop = loop
        self._protocol = protocol
        self._received = received
        self._queue: deque[Send | End] = deque()
        self._paused = self._scheduled = self._closed = False
        self._pieces: list[bytes] = []
        self.kept = 0
        self._timeout = timeout_seconds
        self._memory_bytes = memory_bytes
        self._resident = resident_bytes()
        self._spoke = self._useful = self._paused_at = loop.time()
        loop.watch = self._watch

    @property
    def stream(self) -> bytes | None:
        """What the protocol received."""
        return b"".join(self._pieces) if self.kept <= _KEPT_BYTES else None

    def begin(self, greeting: Iterable[Send | End]) -> None:
        """Connect, and let the server send its greeting."""
        self._protocol.connection_made(self)
        self._enqueue(greeting)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Pass a piece of a command to the server."""
        self._useful = self._spoke = self._loop.time()
        if not self._closed:
            self._enqueue(self._received(bytes(data)))

    def is_closing(self) -> bool:
        """Whether the connection is closed."""
        return self._closed

    def abort(self) -> None:
        """Close the connection."""
        self._end(None)

    def pause_reading(self) -> None:
        """Deliver nothing until `resume_reading`."""
        self._paused = True
        self._paused_at = self._loop.time()

    def resume_reading(self) -> None:
        """Deliver data again."""
        self._paused = False
        self._schedule()

    def _enqueue(self, what: Iterable[Send | End]) -> None:
        self._queue.extend(what)
        self._schedule()

    def _schedule(self) -> None:
        if not self._queue or self._scheduled or self._closed:
            return
        self._scheduled = True
        first = self._queue[0]
        if isinstance(first, Send) and first.delay:
            self._loop.call_later(first.delay, self._deliver)
        else:
            self._loop.call_soon(self._deliver)

    def _deliver(self) -> None:
        self._scheduled = False
        if self._closed or self._paused or not self._queue:
            return
        first = self._queue[0]
        if isinstance(first, End):
            self._end(first.error)
            return
        first.times -= 1
        if not first.times:
            self._queue.popleft()
        self._keep(first.data)
        self._spoke = self._loop.time()
        if not first.idle:
            self._useful = self._spoke
        self._protocol.data_received(first.data)
        if first.times % 16 == 1:
            self._weigh()
        self._schedule()

    def _keep(self, data: bytes) -> None:
        self.kept += len(data)
        if self.kept <= _KEPT_BYTES:
            self._pieces.append(data)

    def _end(self, error: Exception | None) -> None:
        if not self._closed:
            self._closed = True
            self._queue.clear()
            self._loop.call_soon(self._protocol.connection_lost, error)

    def _watch(self, now: float) -> None:
        """Detect waits longer than `muniment.mailserver.patience` allows; `_SLACK` is for the logout."""
        if self._closed:
            return
        if self._paused:
            if now > self._paused_at + 11 * self._timeout:
                raise Finding(f"reading is paused for {now - self._paused_at:g} s, and is not resumed")
            return
        if not self._queue and now > self._spoke + self._timeout + _SLACK_SECONDS:
            raise Finding(f"the server has been silent for {now - self._spoke:g} s, and the client still waits")
        if now > self._useful + 11 * self._timeout + _SLACK_SECONDS:
            raise Finding(f"no part of the answer arrived for {now - self._useful:g} s, and the client still waits")

    def _weigh(self) -> None:
        grown = resident_bytes() - self._resident
        if grown > self._memory_bytes:
            raise Finding(f"one dialogue leaked {grown >> 20} MiB")


_KEPT_BYTES = 1 << 20
_SLACK_SECONDS = 6.0


def resident_bytes() -> int:
    """Return the resident memory of this process."""
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - read very often
        return int(file.read().split()[1]) * _PAGE
