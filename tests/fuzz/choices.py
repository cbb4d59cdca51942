"""Choices: every decision of the fuzzer is read from bytes, so the same bytes give the same dialogue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Choices:
    """Decisions read from `data`; at its end, each decision is the first and simplest option.

    Whatever generates the bytes (a random generator, hypothesis, a coverage-guided fuzzer) therefore controls
    the dialogue, and shorter or smaller bytes give a simpler one.
    """

    __slots__ = ("_at", "_data", "_size")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._size = len(data)
        self._at = 0

    def below(self, bound: int) -> int:
        """Return a number from 0 to `bound` - 1; bounds above 256 use two bytes."""
        at = self._at
        if bound <= 256:
            self._at = at + 1
            return self._data[at] % bound if at < self._size else 0
        self._at = at + 2
        return int.from_bytes(self._data[at : at + 2], "big") % bound

    def chance(self, in_256: int) -> bool:
        """Return True in this many of 256 cases; False at the end of the bytes."""
        at = self._at
        self._at = at + 1
        return at < self._size and self._data[at] >= 256 - in_256

    def pick(self, options: Sequence[T]) -> T:
        """Return one of `options`."""
        return options[self.below(len(options))]

    def octets(self, count: int) -> bytes:
        """Return up to `count` bytes unchanged."""
        at = self._at
        self._at = at + count
        return self._data[at : at + count]

    def shuffle(self, items: list[T]) -> None:
        """Shuffle `items`."""
        for last in range(len(items) - 1, 0, -1):
            other = self.below(last + 1)
            items[last], items[last - other] = items[last - other], items[last]
