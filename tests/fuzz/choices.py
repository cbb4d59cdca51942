"""Choices: everything that the fuzzer decides is read from bytes, so that the same bytes give the same dialogue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Choices:
    """Decisions read from `data`; when it ends, each is the first and simplest one.

    So whoever makes the bytes (a random generator, hypothesis, a coverage-guided fuzzer) steers the
    dialogue, and shorter or smaller bytes make a simpler one.
    """

    __slots__ = ("_at", "_data", "_size")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._size = len(data)
        self._at = 0

    def below(self, bound: int) -> int:
        """Return a number from 0 to `bound` - 1; bounds above 256 take two bytes."""
        at = self._at
        if bound <= 256:
            self._at = at + 1
            return self._data[at] % bound if at < self._size else 0
        self._at = at + 2
        return int.from_bytes(self._data[at : at + 2], "big") % bound

    def chance(self, in_256: int) -> bool:
        """Return True in so many of 256 cases; False when the bytes have ended."""
        at = self._at
        self._at = at + 1
        return at < self._size and self._data[at] >= 256 - in_256

    def pick(self, options: Sequence[T]) -> T:
        """Return one of `options`."""
        return options[self.below(len(options))]

    def octets(self, count: int) -> bytes:
        """Return up to `count` bytes as they are."""
        at = self._at
        self._at = at + count
        return self._data[at : at + count]

    def shuffle(self, items: list[T]) -> None:
        """Bring `items` into another order."""
        for last in range(len(items) - 1, 0, -1):
            other = self.below(last + 1)
            items[last], items[last - other] = items[last - other], items[last]
