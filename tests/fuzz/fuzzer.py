"""The fuzzer: one input of bytes is one dialogue, or some single readers, or one probe of their time."""

from __future__ import annotations

import asyncio
from collections import Counter

from tests.fuzz.choices import Choices
from tests.fuzz.dialogue import Dialogue, Tally
from tests.fuzz.pieces import probe_time, read_piece
from tests.fuzz.virtual import VirtualLoop

INPUT_BYTES = 3000
_DIALOGUES = 232  # of 256 inputs; the rest are for single readers
_PROBE = 250
_PIECES_EACH = 8


class Fuzzer:
    """Runs inputs on one virtual loop and adds up what they did; a Finding, or anything else that is raised, is a defect."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.executions = 0
        self.pieces: Counter[str] = Counter()
        self.probes: Counter[str] = Counter()
        self._loop = VirtualLoop()

    def run(self, data: bytes) -> None:
        """Run one input."""
        self.executions += 1
        c = Choices(data)
        kind = c.below(256)
        if kind < _DIALOGUES:
            self._talk(c)
        elif kind == _PROBE:
            self.probes[probe_time(c)] += 1
        else:
            for _ in range(_PIECES_EACH):
                self.pieces[read_piece(c)] += 1

    def close(self) -> None:
        """Close the loop."""
        self._loop.close()

    def _talk(self, c: Choices) -> None:
        loop = self._loop
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(Dialogue(c, self.tally).run(loop))
        except BaseException:
            loop.close()  # what hangs in it hangs there
            self._loop = VirtualLoop()
            raise
        finally:
            asyncio.set_event_loop(None)
