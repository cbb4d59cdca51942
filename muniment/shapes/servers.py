"""JSON of mail servers."""

from __future__ import annotations

from muniment.governor import ServerState


def server_shape(found: ServerState) -> dict[str, object]:
    """`server`, `open` (connections), `limit` (connection limit in force; null: none known), `waiting`, `learned`
    (limit learned from the server's refusals, or null), `probe_seconds`, `pause_seconds` (0: no pause), `counting`
    (true while connections are being recounted and none are opened), `configured{connections, commands_per_second,
    bytes_per_second}` (null: no limit), `reason`.
    """
    return {
        "server": found.server,
        "open": found.open,
        "limit": found.limit,
        "waiting": found.waiting,
        "learned": found.learned,
        "probe_seconds": round(found.probe_seconds, 1),
        "pause_seconds": round(found.pause_seconds, 1),
        "counting": found.quiet,
        "configured": {
            "connections": found.configured.connections,
            "commands_per_second": found.configured.commands_per_second,
            "bytes_per_second": found.configured.bytes_per_second,
        },
        "reason": found.reason,
    }
