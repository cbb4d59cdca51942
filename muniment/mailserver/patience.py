"""Patience: how long a server that owes an answer may keep us waiting.

With T = the profile's timeout (60 s unless set), a wait ends when

- nothing at all came for T: no data, no keep-alive, no byte of a message or of a list; or
- no *progress* was made for 10 T, whatever else came.

Progress is what brings the answer nearer: its tagged line, a data response that the command
waits for, a continuation request that we have an answer to, and 100 bytes per second on average of a
response whose end has not come (a message, a long SEARCH): for T = 60 s, 60,000 bytes within 600 s.
A line of 9600 baud carries 960 bytes per second.

A keep-alive is any other whole response (`* OK Still here`, `* OK Searching 10%`, `* 5 EXISTS`):
Dovecot sends one every 15 s or so while it works. It shows that the server lives, and is believed
for 10 T. Bytes of an unfinished status or tagged line are nothing: such lines are short.
"""

from __future__ import annotations

STRETCH = 10
MIN_BYTES_PER_SECOND = 100


class Patience:
    """The clock of one connection; all times are those of the caller's clock, in seconds."""

    def __init__(self, timeout_seconds: float, now: float) -> None:
        self._timeout = timeout_seconds
        self._longest = STRETCH * timeout_seconds
        self._enough = MIN_BYTES_PER_SECOND * self._longest
        self.progress(now)

    def progress(self, now: float) -> None:
        """Begin to wait, or note a piece of the answer."""
        self._heard = self._progressed = now
        self._bytes = 0

    def keep_alive(self, now: float) -> None:
        """Note a response that is no piece of the answer."""
        self._heard = now

    def trickle(self, now: float, size: int) -> None:
        """Note `size` bytes of a response that is not complete."""
        self._heard = now
        self._bytes += size
        if self._bytes >= self._enough:
            self.progress(now)

    @property
    def deadline(self) -> float:
        """When patience ends if nothing more comes."""
        return min(self._heard + self._timeout, self._progressed + self._longest)

    def complaint(self, now: float) -> str | None:
        """Return what the server did, to follow its name; None while there is time left."""
        if now >= self._heard + self._timeout:
            return f"was silent for {self._timeout:g} s"
        if now >= self._progressed + self._longest:
            return f"sent next to nothing of its answer for {self._longest:g} s"
        return None
