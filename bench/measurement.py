"""What is measured of one peer in one round."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_MB = 1_000_000


@dataclass(frozen=True)
class Repeat:
    """A run in which nothing is new; `commands`: IMAP commands by name, as the server counted them."""

    seconds: float
    cpu_seconds: float
    commands: Mapping[str, int]

    @property
    def command_count(self) -> int:
        """Commands of all names."""
        return sum(self.commands.values())


#: So many runs without news follow the first; the one of middle length is reported.
REPEATS = 3


def middle(repeats: Iterable[Repeat]) -> Repeat:
    """Return the one whose time is the median."""
    ordered = sorted(repeats, key=lambda one: one.seconds)
    return ordered[len(ordered) // 2]


@dataclass(frozen=True)
class Measurement:
    """One peer in one round.

    `seconds`: from the start until everything is archived. `cpu_seconds`: of the client's processes
    in that time, by part; `server_cpu_seconds` of Dovecot. `peak_bytes`: of the client's processes.
    `searchable_seconds`: until the index holds everything, too; None for a peer without an index.
    `total_cpu_seconds`: the client's until then. `left_out`: messages of the source that the peer did
    not take. `wrong`: what must not be and ends the benchmark with an error.
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
        """How fast it archives."""
        return self.messages / self.seconds

    @property
    def megabytes_per_second(self) -> float:
        """How fast it archives, in 10**6 bytes."""
        return self.bytes / _MB / self.seconds

    @property
    def cpu(self) -> float:
        """CPU seconds of all parts."""
        return sum(self.cpu_seconds.values())

    @property
    def repeat_mailboxes_per_second(self) -> float:
        """How fast it finds out that nothing is new."""
        return self.mailboxes / self.repeat.seconds

    def as_json(self) -> dict[str, object]:
        """Return everything, also what follows from it."""
        return {
            **{name: value for name, value in vars(self).items() if name != "repeat"},
            "messages_per_second": round(self.messages_per_second, 1),
            "megabytes_per_second": round(self.megabytes_per_second, 2),
            "cpu": round(self.cpu, 2),
            "repeat": vars(self.repeat) | {"mailboxes_per_second": round(self.repeat_mailboxes_per_second, 1)},
        }
