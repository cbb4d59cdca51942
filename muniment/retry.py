"""How long to wait before another try: a pure function, randomness passed in."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Backoff:
    """Exponential back-off with full jitter and a cap.

    `first_seconds` doubles with every attempt up to `cap_seconds`; the wait is
    drawn evenly from its upper half, so that mailboxes which failed together
    (a server restart) do not come back together.
    """

    first_seconds: float = 2.0
    cap_seconds: float = 300.0

    def seconds(self, attempt: int, rng: random.Random | None = None) -> float:
        """Return the seconds to wait after `attempt` (1 = first failure)."""
        ceiling = min(self.cap_seconds, self.first_seconds * 2.0 ** min(attempt - 1, 32))
        return (rng or random).uniform(ceiling / 2, ceiling)
