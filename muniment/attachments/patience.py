"""How long indexing waits for the attachments of one archive's messages, while the mail of others waits behind them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from muniment.attachments.limits import FIRST_SECONDS

#: What the slow messages of one archive may take from all others: this much at once (seconds), …
ALLOWANCE_SECONDS = 10.0
#: … and this share of the time from then on.
_SHARE = 0.1
_MOST_ARCHIVES = 10_000


class Patience:
    """Counts, by archive, the time that messages took which this process could not finish."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._owed: dict[int, tuple[float, float]] = {}  # archive → seconds, as of a moment

    def seconds(self, archives: Iterable[int]) -> float:
        """Return how long the attachments of a message may take now; 0 if its archives have had their share."""
        return 0.0 if any(self._debt(archive) >= ALLOWANCE_SECONDS for archive in archives) else FIRST_SECONDS

    def spent(self, archives: Iterable[int], seconds: float) -> None:
        """Count the time of a message that was not finished."""
        if len(self._owed) > _MOST_ARCHIVES:
            self._owed = {archive: owed for archive, owed in self._owed.items() if self._debt(archive) > 0}
        for archive in archives:
            self._owed[archive] = (self._debt(archive) + seconds, self._clock())

    def _debt(self, archive: int) -> float:
        seconds, moment = self._owed.get(archive, (0.0, 0.0))
        return max(0.0, seconds - _SHARE * (self._clock() - moment))
