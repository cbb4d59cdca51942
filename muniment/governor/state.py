"""How a mail server stands with the governor, and why, in words."""

from __future__ import annotations

from dataclasses import dataclass

from muniment.model.server_limits import ServerLimits


@dataclass(frozen=True)
class ServerState:
    """One mail server now.

    `open` connections of the whole fleet, `waiting` for one; `limit` is in force, None: there is none.
    `learned` from refusals, `learned_reason` what the server said. Seconds until one more is tried (`probe_seconds`),
    and until the pause ends (`pause_seconds`, 0: there is none). `quiet`: nothing is granted because connections are
    counted anew.
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
        """The smaller of what is configured and what was learned."""
        known = [limit for limit in (self.configured.connections, self.learned) if limit is not None]
        return min(known, default=None)

    @property
    def reason(self) -> str:
        """Why the limit is what it is, and why nobody is let through just now."""
        parts = []
        if self.quiet:
            parts.append("connections are being counted again, because Redis was away or lost its memory")
        if self.pause_seconds:
            parts.append(f"pause for {self.pause_seconds:.0f} s: {self.pause_reason}")
        if self.learned is not None and self.limit == self.learned != self.configured.connections:
            probe = f"; one more is tried in {self.probe_seconds:.0f} s" if self.probe_seconds else ""
            parts.append(f"learned: {self.learned_reason}{probe}")
        elif self.limit is not None:
            parts.append("configured")
        return "; ".join(parts) or "no limit is known"
