"""The budget of a slice."""

from __future__ import annotations

import math
import time


class SliceBudget:
    """Time (seconds) and volume (bytes) of one slice, unlimited by default; checked between batches only."""

    def __init__(self, seconds: float = math.inf, size: float = math.inf) -> None:
        self._until = time.monotonic() + seconds
        self._bytes_left = size

    def spend(self, size: int) -> None:
        """Count bytes that were archived."""
        self._bytes_left -= size

    @property
    def is_over(self) -> bool:
        """Whether the slice should end at the next boundary."""
        return self._bytes_left <= 0 or time.monotonic() >= self._until
