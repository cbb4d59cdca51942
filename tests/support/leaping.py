"""Time that leaps: a test of minutes of silence takes moments, and a busy machine is no silent server."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

#: What was sent on this machine has arrived by then.
_QUIET_SECONDS = 0.01


def in_leaping_time(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a loop whose clock leaps to the next timer when nothing else happens.

    Its servers must be coroutines of the same loop, and it must wait for no thread.
    """
    loop = _LeapingLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        try:
            return runner.run(coroutine)
        finally:
            # Python 3.12 and later give the threads of the loop 300 seconds to end: they need real ones.
            loop.selector.is_leaping = False


class _LeapingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._ahead = 0.0
        self.selector = _Selector(self._leap)
        super().__init__(self.selector)

    def time(self) -> float:
        """Return the time, with all leaps."""
        return super().time() + self._ahead

    def _leap(self, seconds: float) -> None:
        self._ahead += seconds


class _Selector(selectors.DefaultSelector):
    def __init__(self, leap: Callable[[float], None]) -> None:
        super().__init__()
        self._leap = leap
        self.is_leaping = True

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready; leap over the time in which nothing would be."""
        if timeout is None or timeout <= _QUIET_SECONDS or not self.is_leaping:
            return super().select(timeout)
        ready = super().select(_QUIET_SECONDS)
        if not ready:
            self._leap(timeout)
        return ready
