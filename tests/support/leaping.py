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
    with asyncio.Runner(loop_factory=_LeapingLoop) as runner:
        return runner.run(coroutine)


class _LeapingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._ahead = 0.0
        super().__init__(_Selector(self._leap))

    def time(self) -> float:
        """Return the time, with all leaps."""
        return super().time() + self._ahead

    def _leap(self, seconds: float) -> None:
        self._ahead += seconds


class _Selector(selectors.DefaultSelector):
    def __init__(self, leap: Callable[[float], None]) -> None:
        super().__init__()
        self._leap = leap

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready; leap over the time in which nothing would be."""
        if timeout is None or timeout <= _QUIET_SECONDS:
            return super().select(timeout)
        ready = super().select(_QUIET_SECONDS)
        if not ready:
            self._leap(timeout)
        return ready
