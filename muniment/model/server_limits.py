"""Limits on the load that all workers together put on one mail server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ServerLimits:
    """Simultaneous connections, commands per second and bytes per second; None: no limit."""

    connections: int | None = None
    commands_per_second: float | None = None
    bytes_per_second: float | None = None

    def over(self, default: ServerLimits) -> ServerLimits:
        """Return these limits; those that are None are taken from `default`."""
        return ServerLimits(
            default.connections if self.connections is None else self.connections,
            default.commands_per_second if self.commands_per_second is None else self.commands_per_second,
            default.bytes_per_second if self.bytes_per_second is None else self.bytes_per_second,
        )
