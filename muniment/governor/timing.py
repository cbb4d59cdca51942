"""Times and numbers of the governor, in seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """How long things last; tests pass shorter ones.

    A slot that is not renewed runs out after `slot`; every process renews its own each `heartbeat`. `quiet`: how
    long nothing is granted when the count was lost, more than two heartbeats. `patience`: longest wait in line; `look`:
    longest time between two looks there, `ticket` after the last one the place is lost. `linger`: a dropped connection
    counts on for so long. `cooling` … `longest_cooling`: until one connection more than was learned is tried.
    `pause` … `longest_pause`: what a server that asks for less gets when it names no time; at most
    `longest_named_pause` when it does. `start`: connections to a server of which nothing is known.
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
        """Return the line of Lua that stands before the script."""
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
