"""The governor's state of a mail server, and its explanation."""

from __future__ import annotations

from dataclasses import dataclass

from muniment.model.server_limits import ServerLimits


@dataclass(frozen=True)
class ServerState:
    """The current state of one mail server.

    `open`: connections of the whole fleet. `waiting`: processes that wait for a connection. `limit`: the effective
    limit, None if there is none. `learned`: the limit learned from refusals; `learned_reason`: the server's words.
    `probe_seconds`: time until one more connection is tried. `pause_seconds`: time until the pause ends, 0 if there
    is none. `quiet`: no slots are granted because connections are being recounted.
    """

    server: str
    open: int
    waiting: int
    configured: ServerLimits
    learned: int | None
    learned_reason: str
    probe_seconds: float
    pause_seconds: float
    pause_reason: str
    quiet: bool

    @property
    def limit(self) -> int | None:
        """The smaller of the configured and the learned limit."""
        known = [limit for limit in (self.configured.connections, self.learned) if limit is not None]
        return min(known, default=None)

    @property
    def reason(self) -> str:
        """Where the limit comes from, and why no connection is granted at the moment."""
        parts = []
        if self.quiet:
            parts.append("connections are being recounted, because Redis was unavailable or lost its data")
        if self.pause_seconds:
            parts.append(f"pause for {self.pause_seconds:.0f} s: {self.pause_reason}")
        if self.learned is not None and self.limit == self.learned != self.configured.connections:
            probe = f"; one more is tried in {self.probe_seconds:.0f} s" if self.probe_seconds else ""
            parts.append(f"learned: {self.learned_reason}{probe}")
        elif self.limit is not None:
            parts.append("configured")
        return "; ".join(parts) or "no known limit"
