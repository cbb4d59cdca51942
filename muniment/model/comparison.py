"""How often the UIDs and flags of a folder are compared with the archive although its STATUS stands still."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from muniment.model.folder import FolderState

#: The longest interval, as a multiple of that of a small folder.
LONGEST_STRETCH = 7

# A folder is due between the earliest and the latest share of its interval, by its id: otherwise, folders that were
# compared together would come together again. The latest is below 1, so that a run that begins a little earlier than
# the day before does not leave a folder for the next day.
_EARLIEST, _LATEST = 0.5, 0.9

# Consecutive multiples of the golden ratio, modulo 1, spread evenly (Knuth, The Art of Computer Programming, §6.4).
_GOLDEN, _WORD = 2_654_435_769, 2**32


@dataclass(frozen=True)
class ComparisonInterval:
    """A folder is compared at least every `hours`; one with more than `messages` messages less often.

    For each further `messages`, the interval is once more as long, up to LONGEST_STRETCH times. So the number of UIDs
    compared in a day grows slower than the folder.
    """

    hours: float
    messages: int

    def stretch(self, messages: int | None) -> int:
        """Return how many times as long as for a small folder the interval is for one with that many messages."""
        return min(LONGEST_STRETCH, 1 + max(0, (messages or 0) - 1) // self.messages)

    def is_due(self, state: FolderState, now: datetime) -> bool:
        """Return whether a folder that was proven before has to be compared in a run that begins `now`."""
        seen = [state.proven, state.flags_seen]
        if any(at is None or at > now for at in seen):
            return True  # flags were never compared, or somebody put the clock back
        interval = timedelta(hours=self.hours) * self.stretch(state.status.messages if state.status else None)
        spread = (state.id * _GOLDEN % _WORD) / _WORD
        oldest = min(at for at in seen if at is not None)
        return now - oldest >= interval * (_EARLIEST + (_LATEST - _EARLIEST) * spread)
