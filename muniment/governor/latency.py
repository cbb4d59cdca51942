"""Rising latency: detects that a server answers much more slowly than in the last minutes."""

from __future__ import annotations

from collections import deque

SLOW_FACTOR = 4.0
SLOW_SECONDS = 1.0
SLOW_SAMPLES = 5

_MINUTES = 10
_MINUTE = 60.0


class Latency:
    """The round trips of one cheap command to one server, as seen by one process; times in seconds."""

    def __init__(self) -> None:
        self._best: deque[tuple[int, float]] = deque()  # the best round trip of each recent minute
        self._slow = 0

    def sample(self, seconds: float, now: float) -> str | None:
        """Record a round trip. After several slow ones in a row, return a description and reset the count."""
        best = self._best_until(now)
        self._remember(seconds, int(now / _MINUTE))
        if best is None or seconds <= max(SLOW_SECONDS, SLOW_FACTOR * best):
            self._slow = 0
            return None
        self._slow += 1
        if self._slow < SLOW_SAMPLES:
            return None
        self._slow = 0
        return f"a command takes {seconds:.1f} s instead of {best:.2f} s"

    def _best_until(self, now: float) -> float | None:
        while self._best and self._best[0][0] <= int(now / _MINUTE) - _MINUTES:
            self._best.popleft()
        return min((seconds for _, seconds in self._best), default=None)

    def _remember(self, seconds: float, minute: int) -> None:
        if self._best and self._best[-1][0] == minute:
            seconds = min(seconds, self._best.pop()[1])
        self._best.append((minute, seconds))
