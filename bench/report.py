"""The tables that `python -m bench` prints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from bench.limits import Limit
from bench.measurement import Measurement

_MIB = 1024 * 1024

Rounds = Sequence[Sequence[Measurement]]


def table(rounds: Rounds) -> str:
    """Return the medians of all rounds, one line per peer."""
    head = (
        *("", "messages/s", "MB/s", "CPU s", "server CPU s", "peak MiB", "left out", "searchable after s"),
        *("again: mailboxes/s", "commands", "CPU s"),
    )
    lines = [head, *(_line([_of(found, peer) for found in rounds]) for peer in _peers(rounds))]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) if not column else cell.rjust(width)
                  for column, (cell, width) in enumerate(zip(line, widths, strict=True))).rstrip()
        for line in lines
    )  # fmt: skip


def ratios(rounds: Rounds) -> str:
    """Return each peer's speed relative to the first peer, round by round; above 1 is faster."""
    first, *others = _peers(rounds)
    lines = []
    for peer in others:
        speeds = [_of(found, peer).messages_per_second / _of(found, first).messages_per_second for found in rounds]
        cpu = [_of(found, first).cpu / _of(found, peer).cpu for found in rounds]
        again = [
            _of(found, peer).repeat_mailboxes_per_second / _of(found, first).repeat_mailboxes_per_second
            for found in rounds
        ]
        lines.append(
            f"{peer} against {first}: archives {_ratio(speeds)}, second run {_ratio(again)}, CPU {_ratio(cpu)}"
        )
    return "\n".join(lines)


def against_limits(rounds: Rounds, limits: Sequence[Limit]) -> str:
    """Return each peer's speed as a share of each limit."""
    lines = []
    for limit in limits:
        speeds = {
            peer: median(_of(found, peer).messages_per_second for found in rounds) / limit.messages_per_second
            for peer in _peers(rounds)
        }
        shares = ", ".join(f"{peer} {speed:.0%}" for peer, speed in speeds.items())
        lines.append(f"{limit.name}: {limit.messages_per_second:,.0f} messages/s; of it {shares}")
    return "\n".join(lines)


def parts(rounds: Rounds) -> str:
    """Return the CPU seconds by part, for peers with several parts."""
    lines = []
    for peer in _peers(rounds):
        found = [_of(one, peer).cpu_seconds for one in rounds]
        if len(found[0]) > 1:
            names = sorted(found[0], key=lambda name: -median(one.get(name, 0.0) for one in found))
            shares = ", ".join(f"{name} {median(one.get(name, 0.0) for one in found):.1f}" for name in names)
            lines.append(f"CPU s of {peer} while it archives: {shares}")
    return "\n".join(lines)


def _line(found: Sequence[Measurement]) -> tuple[str, ...]:
    def of(number: Callable[[Measurement], float], form: str) -> str:
        return format(median(number(one) for one in found), form)

    searchable = [one.searchable_seconds for one in found if one.searchable_seconds is not None]
    return (
        found[0].peer,
        of(lambda one: one.messages_per_second, ",.0f"),
        of(lambda one: one.megabytes_per_second, ".1f"),
        of(lambda one: one.cpu, ".1f"),
        of(lambda one: one.server_cpu_seconds, ".1f"),
        of(lambda one: one.peak_bytes / _MIB, ".0f"),
        of(lambda one: one.left_out, ",.0f"),
        f"{median(searchable):.1f}" if searchable else "-",
        of(lambda one: one.repeat_mailboxes_per_second, ".1f"),
        of(lambda one: one.repeat.command_count, ",.0f"),
        of(lambda one: one.repeat.cpu_seconds, ".2f"),
    )


def _peers(rounds: Rounds) -> list[str]:
    return [one.peer for one in rounds[0]]


def _of(found: Sequence[Measurement], peer: str) -> Measurement:
    return next(one for one in found if one.peer == peer)


def _ratio(values: Sequence[float]) -> str:
    return f"{median(values):.2f} ({', '.join(f'{value:.2f}' for value in values)})"
