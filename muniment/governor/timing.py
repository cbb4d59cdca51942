"""The governor's timing parameters, in seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Durations in seconds; tests pass shorter ones.

    `slot`: a slot that is not renewed expires after this time; every process renews its slots each `heartbeat`.
    `quiet`: how long nothing is granted after the count was lost; more than two heartbeats.
    `patience`: the longest wait in line. `look`: the longest interval between polls while waiting; `ticket` after the
    last poll, the place in line is lost.
    `linger`: how long a dropped connection still counts.
    `cooling` … `longest_cooling`: the time until a connection above the learned limit is tried.
    `pause` … `longest_pause`: the pause after throttling if the server names no time; if it does, at most
    `longest_named_pause`.
    `start`: the initial number of connections to an unknown server.
    """

    heartbeat: float = 5.0
    slot: float = 20.0
    quiet: float = 12.0
    patience: float = 10.0
    look: float = 2.0
    ticket: float = 6.0
    linger: float = 1.0
    cooling: float = 30.0
    longest_cooling: float = 1800.0
    pause: float = 5.0
    longest_pause: float = 300.0
    longest_named_pause: float = 1800.0
    forget_pause: float = 600.0
    forget: float = 30 * 86400.0
    start: int = 8

    def constants(self) -> str:
        """Return the line of Lua constants to prepend to the script."""
        milliseconds = {
            "TTL": self.slot,
            "TICKET": self.ticket,
            "QUIET": self.quiet,
            "STALE": 2 * self.heartbeat + self.heartbeat / 2,
            "COOL": self.cooling,
            "COOL_MAX": self.longest_cooling,
            "PAUSE": self.pause,
            "PAUSE_MAX": self.longest_pause,
            "PAUSE_LONGEST": max(self.longest_pause, self.longest_named_pause),
            "PAUSE_FORGET": self.forget_pause,
            "FORGET": self.forget,
        }
        values = [*(int(seconds * 1000) for seconds in milliseconds.values()), self.start]
        return f"local {', '.join([*milliseconds, 'START'])} = {', '.join(map(str, values))}\n"
