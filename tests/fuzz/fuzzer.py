"""The fuzzer: an input of bytes is a dialogue, some STARTTLS, POP3 lists, single parsers, or a measurement of time."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any

from tests.fuzz.choices import Choices
from tests.fuzz.dialogue import Dialogue, Tally
from tests.fuzz.partial_lists import visit
from tests.fuzz.pieces import probe_time, read_piece
from tests.fuzz.starttls import negotiate
from tests.fuzz.virtual import Finding, VirtualLoop

INPUT_BYTES = 3000
_DIALOGUES = 232  # of 256 inputs; the rest are for STARTTLS, POP3 lists and single parsers
_STARTTLS = range(232, 240)
_STARTTLS_EACH = 8
_LISTS = range(240, 248)
_LISTS_EACH = 4
_PROBE = 250
_PIECES_EACH = 8


def inputs(seed: int) -> Iterator[bytes]:
    """Yield the inputs of a seed endlessly; each depends only on its number, so it can be generated alone."""
    for number in itertools.count():
        yield random.Random(f"{seed}/{number}").randbytes(INPUT_BYTES)


class Fuzzer:
    """Runs inputs on one virtual loop and adds up the counters; a Finding, or any other exception, is a defect."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.executions = 0
        self.starttls: Counter[str] = Counter()
        self.lists: Counter[str] = Counter()
        self.pieces: Counter[str] = Counter()
        self.probes: Counter[str] = Counter()
        self._loop = VirtualLoop()

    def run(self, data: bytes) -> None:
        """Run one input."""
        self.executions += 1
        c = Choices(data)
        kind = c.below(256)
        if kind < _DIALOGUES:
            self._talk(Dialogue(c, self.tally).run)
        elif kind in _STARTTLS:
            for _ in range(_STARTTLS_EACH):
                self._talk(lambda loop: negotiate(loop, c, self.starttls))
        elif kind in _LISTS:
            for _ in range(_LISTS_EACH):
                visit(c, self.lists)
        elif kind == _PROBE:
            self.probes[probe_time(c)] += 1
        else:
            for _ in range(_PIECES_EACH):
                self.pieces[read_piece(c)] += 1

    def close(self) -> None:
        """Close the loop."""
        self._loop.close()

    def _talk(self, dialogue: Callable[[VirtualLoop], Coroutine[Any, Any, None]]) -> None:
        loop = self._loop
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(dialogue(loop))
        except BaseException:
            _abandon(loop)
            self._loop = VirtualLoop()
            raise
        finally:
            asyncio.set_event_loop(None)


def _abandon(loop: VirtualLoop) -> None:
    """Close a loop whose dialogue was interrupted; tasks that ignore cancellation are left alone."""
    for task in asyncio.all_tasks(loop):
        task.cancel()
    with suppress(Finding):
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(asyncio.sleep(0))
    loop.close()
