"""Patience: how long to wait for a server that has not answered yet.

With T = the profile's timeout (60 s by default), a wait ends if

- nothing arrives for T: no data, no keep-alive, no byte of a message or of a list; or
- there is no *progress* for 10 T, whatever else arrives.

Progress is what brings the answer closer: the tagged response, a data response that the command
waits for, a continuation request that we can answer, or an average of 100 bytes per second of an
incomplete response (a message, a long SEARCH): for T = 60 s, 60,000 bytes within 600 s.
A 9600 baud line carries 960 bytes per second.

A keep-alive is any other complete response (`* OK Still here`, `* OK Searching 10%`, `* 5 EXISTS`):
Dovecot sends one about every 15 s while it works. It proves that the server is alive and extends the wait up
to 10 T. Bytes of an incomplete status or tagged line do not count: such lines are short.
"""

from __future__ import annotations

STRETCH = 10
MIN_BYTES_PER_SECOND = 100


class Patience:
    """The timeout of one connection. All times are in seconds on the caller's clock."""

    def __init__(self, timeout_seconds: float, now: float) -> None:
        self._timeout = timeout_seconds
        self._longest = STRETCH * timeout_seconds
        self._enough = MIN_BYTES_PER_SECOND * self._longest
        self.progress(now)

    def progress(self, now: float) -> None:
        """Start waiting, or record a part of the answer."""
        self._heard = self._progressed = now
        self._bytes = 0

    def keep_alive(self, now: float) -> None:
        """Record a response that is not part of the answer."""
        self._heard = now

    def trickle(self, now: float, size: int) -> None:
        """Record `size` bytes of an incomplete response."""
        self._heard = now
        self._bytes += size
        if self._bytes >= self._enough:
            self.progress(now)

    @property
    def deadline(self) -> float:
        """When the wait ends if nothing more arrives."""
        return min(self._heard + self._timeout, self._progressed + self._longest)

    def timeout_reason(self, now: float) -> str | None:
        """Return why the wait is over, as a predicate to follow the server's name; None while there is time left."""
        if now >= self._heard + self._timeout:
            return f"did not respond for {self._timeout:g} s"
        if now >= self._progressed + self._longest:
            return f"made almost no progress for {self._longest:g} s"
        return None
