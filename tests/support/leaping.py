"""Simulated time: minutes of silence pass in moments, and a busy machine does not look like a silent server."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

#: By then, data sent on this machine has arrived.
_QUIET_SECONDS = 0.01


def in_leaping_time(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a loop whose clock jumps to the next timer whenever nothing else happens.

    Its servers must be coroutines on the same loop, and it must not wait for threads.
    """
    loop = _LeapingLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        try:
            return runner.run(coroutine)
        finally:
            # Since Python 3.12, closing the loop waits up to 300 seconds for its threads; they need real time.
            loop.selector.is_leaping = False


class _LeapingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._ahead = 0.0
        self.selector = _Selector(self._leap)
        super().__init__(self.selector)

    def time(self) -> float:
        """Return the real time plus all jumps."""
        return super().time() + self._ahead

    def _leap(self, seconds: float) -> None:
        self._ahead += seconds


class _Selector(selectors.DefaultSelector):
    def __init__(self, leap: Callable[[float], None]) -> None:
        super().__init__()
        self._leap = leap
        self.is_leaping = True

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return ready events; if there are none, jump to the timeout instead of waiting."""
        if timeout is None or timeout <= _QUIET_SECONDS or not self.is_leaping:
            return super().select(timeout)
        ready = super().select(_QUIET_SECONDS)
        if not ready:
            self._leap(timeout)
        return ready
