"""Back-off: how long to wait before the next attempt. A pure function; the random generator is an argument."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Backoff:
    """Capped exponential backoff with equal jitter.

    The ceiling starts at `first_seconds` and doubles with every attempt, up to `cap_seconds`. The wait is drawn
    uniformly from the upper half of the ceiling ("equal jitter" in the AWS Architecture Blog's terms; "full jitter"
    would draw from zero), so that mailboxes that failed together, as in a server restart, do not all return together.
    """

    first_seconds: float = 2.0
    cap_seconds: float = 300.0

    def seconds(self, attempt: int, rng: random.Random | None = None) -> float:
        """Return the seconds to wait after failure number `attempt` (starting at 1)."""
        ceiling = min(self.cap_seconds, self.first_seconds * 2.0 ** min(attempt - 1, 32))
        return (rng or random).uniform(ceiling / 2, ceiling)
