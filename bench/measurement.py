"""The measurements of one peer in one round."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_MB = 1_000_000


@dataclass(frozen=True)
class Repeat:
    """A run in which nothing is new; `commands`: number of IMAP commands by name, as counted by the server."""

    seconds: float
    cpu_seconds: float
    commands: Mapping[str, int]

    @property
    def command_count(self) -> int:
        """Total number of commands."""
        return sum(self.commands.values())


#: Number of runs with nothing new that follow the first one; the median is reported.
REPEATS = 3


def middle(repeats: Iterable[Repeat]) -> Repeat:
    """Return the repeat with the median duration."""
    ordered = sorted(repeats, key=lambda one: one.seconds)
    return ordered[len(ordered) // 2]


@dataclass(frozen=True)
class Measurement:
    """The measurements of one peer in one round.

    `seconds`: from the start until everything is archived. `cpu_seconds`: of the client's processes in that time, by
    part; `server_cpu_seconds`: of Dovecot. `peak_bytes`: of the client's processes. `searchable_seconds`: until
    everything is indexed, too; None for a peer without an index. `total_cpu_seconds`: of the client until then.
    `left_out`: messages of the source that the peer did not archive. `wrong`: errors in the archive, which make the
    benchmark fail.
    """

    peer: str
    messages: int
    bytes: int
    seconds: float
    cpu_seconds: Mapping[str, float]
    server_cpu_seconds: float
    peak_bytes: int
    repeat: Repeat
    mailboxes: int
    searchable_seconds: float | None = None
    total_cpu_seconds: float | None = None
    left_out: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def messages_per_second(self) -> float:
        """Archiving speed in messages."""
        return self.messages / self.seconds

    @property
    def megabytes_per_second(self) -> float:
        """Archiving speed in units of 10**6 bytes."""
        return self.bytes / _MB / self.seconds

    @property
    def cpu(self) -> float:
        """Total CPU seconds of all parts."""
        return sum(self.cpu_seconds.values())

    @property
    def repeat_mailboxes_per_second(self) -> float:
        """Speed of a run that finds nothing new."""
        return self.mailboxes / self.repeat.seconds

    def as_json(self) -> dict[str, object]:
        """Return all measurements and the values derived from them."""
        return {
            **{name: value for name, value in vars(self).items() if name != "repeat"},
            "messages_per_second": round(self.messages_per_second, 1),
            "megabytes_per_second": round(self.megabytes_per_second, 2),
            "cpu": round(self.cpu, 2),
            "repeat": vars(self.repeat) | {"mailboxes_per_second": round(self.repeat_mailboxes_per_second, 1)},
        }
