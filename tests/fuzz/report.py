"""The results of a fuzzer run, as a progress line and as a table."""

from __future__ import annotations

import resource
from collections import Counter

from tests.fuzz.fuzzer import Fuzzer
from tests.fuzz.virtual import resident_bytes


class Report:
    """The results of one run; created at its start."""

    def __init__(self) -> None:
        self._resident = resident_bytes()

    def line(self, fuzzer: Fuzzer, seconds: float, findings: int) -> str:
        """Return the progress line."""
        answers = fuzzer.tally.answers
        return (
            f"{seconds:6.0f} s  {answers:>12,} answers ({answers / seconds:,.0f}/s)"
            f"  {fuzzer.tally.dialogues:>9,} dialogues"
            f"  {resident_bytes() >> 20} MiB  {findings} findings"
        )

    def table(self, fuzzer: Fuzzer, seconds: float, seed: int, findings: int) -> str:
        """Return the table."""
        tally = fuzzer.tally
        usage = resource.getrusage(resource.RUSAGE_SELF)
        rows = [
            ("seed", f"{seed}"),
            ("seconds (wall, CPU)", f"{seconds:,.0f}, {usage.ru_utime + usage.ru_stime:,.0f}"),
            ("answers generated", f"{tally.answers:,}"),
            ("answers per second", f"{tally.answers / max(seconds, 0.001):,.0f}"),
            ("dialogues (with a correct server)", f"{tally.dialogues:,} ({tally.valid:,})"),
            ("bytes received", f"{tally.stream_bytes:,}"),
            ("simulated seconds", f"{tally.virtual_seconds:,.0f}"),
            ("messages delivered", f"{tally.messages:,} ({tally.message_bytes:,} bytes)"),
            ("compared with the reference", f"{tally.compared:,}"),
            ("messages without bytes", f"{tally.without_bytes:,}"),
            ("single parsers", f"{fuzzer.pieces.total():,}"),
            ("probes of linear time", f"{fuzzer.probes.total():,}"),
            ("memory at start, end and peak", self._memory(usage.ru_maxrss)),
            ("findings", f"{findings}"),
            ("dialogues that ended with", _counts(tally.endings)),
            ("STARTTLS that ended with", _counts(fuzzer.starttls)),
            ("POP3 lists", _counts(fuzzer.lists)),
            ("mutations", _counts(tally.mutations)),
        ]
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)

    def _memory(self, peak_kib: int) -> str:
        return f"{self._resident >> 20}, {resident_bytes() >> 20}, {peak_kib >> 10} MiB"


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counter.most_common())
