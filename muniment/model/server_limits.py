"""What an administrator allows the whole fleet to ask of one mail server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ServerLimits:
    """Connections at once, commands per second, bytes per second; None: no limit."""

    connections: int | None = None
    commands_per_second: float | None = None
    bytes_per_second: float | None = None

    def over(self, default: ServerLimits) -> ServerLimits:
        """Return these limits, and those of `default` where there is none."""
        return ServerLimits(
            default.connections if self.connections is None else self.connections,
            default.commands_per_second if self.commands_per_second is None else self.commands_per_second,
            default.bytes_per_second if self.bytes_per_second is None else self.bytes_per_second,
        )
