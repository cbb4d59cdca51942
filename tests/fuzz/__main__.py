"""Fuzz the IMAP client: `make fuzz`, or `python -m tests.fuzz --help`.

Exit code 0: no findings; 1: findings, stored with the command that reproduces each.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NoReturn

from tests.fuzz.fuzzer import Fuzzer, inputs
from tests.fuzz.report import Report
from tests.fuzz.virtual import Finding

_CPU_SECONDS = 60.0  # for one input; the longest floods take about three
_REPORT_SECONDS = 60.0
_DIGEST = 12


def main() -> int:
    """Run the command line."""
    options = _options()
    warnings.simplefilter("error", ResourceWarning)
    if options.replay:
        for path in options.replay:
            Fuzzer().run(path.read_bytes())
        return 0
    if options.coverage:
        _become_coverage_guided(options)
    return _fuzz(options)


def _fuzz(options: argparse.Namespace) -> int:
    fuzzer, report = Fuzzer(), Report()
    began = reported = time.monotonic()
    deadline = began + options.minutes * 60 if options.minutes else float("inf")
    answers = options.answers or (10_000_000 if not options.minutes else sys.maxsize)
    findings = 0
    guard, lost = _cpu_guard(), _unraisable()
    for data in inputs(options.seed):
        try:
            _guarded(guard, fuzzer, data)
            if lost:
                raise Finding(f"an unraisable error: {lost.pop()}")
        except KeyboardInterrupt:
            break
        except Exception:
            findings += 1
            _store(options.out, data)
            if findings >= options.findings:
                break
        now = time.monotonic()
        if now > reported + _REPORT_SECONDS:
            reported = now
            print(report.line(fuzzer, now - began, findings), file=sys.stderr, flush=True)
        if fuzzer.tally.answers >= answers or now > deadline:
            break
    print(report.table(fuzzer, time.monotonic() - began, options.seed, findings))
    fuzzer.close()
    return 1 if findings else 0


def _become_coverage_guided(options: argparse.Namespace) -> NoReturn:
    """Replace this process by another program, because instrumented modules must not be imported yet."""
    words = [f"--minutes={options.minutes or 5.0}", f"--seed={options.seed}", f"--out={options.out}"]
    os.execv(sys.executable, [sys.executable, "-m", "tests.fuzz.coverage_guided", *words])


def _guarded(guard: Callable[[float], None], fuzzer: Fuzzer, data: bytes) -> None:
    """Run one input with bounded CPU time."""
    guard(_CPU_SECONDS)
    try:
        fuzzer.run(data)
    finally:
        guard(0.0)


def _cpu_guard() -> Callable[[float], None]:
    """Return a function that sets an alarm that raises a Finding, or cancels it with 0."""

    def expired(_: int, __: FrameType | None) -> None:
        raise Finding(f"one input takes more than {_CPU_SECONDS:g} s of CPU time")

    signal.signal(signal.SIGVTALRM, expired)

    def guard(seconds: float) -> None:
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds)

    return guard


def _unraisable() -> list[str]:
    """Return a list that collects errors from finalisers: an unclosed spool file, a task that was never awaited."""
    errors: list[str] = []
    sys.unraisablehook = lambda what: errors.append(f"{what.exc_value!r} in {what.object!r}")
    return errors


def _store(folder: Path, data: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / hashlib.sha256(data).hexdigest()[:_DIGEST]
    path.write_bytes(data)
    print(
        f"\n{traceback.format_exc(limit=-3)}\nreproduce with: {sys.executable} -m tests.fuzz --replay {path}\n",
        file=sys.stderr,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument(
        "--answers", type=int, default=0, help="stop after this many generated answers (default: 10,000,000)"
    )
    parser.add_argument("--minutes", type=float, default=0.0, help="stop after this time")
    parser.add_argument("--seed", type=int, default=1, help="seed of the random inputs (default: 1)")
    parser.add_argument(
        "--coverage", action="store_true", help="coverage-guided, with atheris, for --minutes (default: 5)"
    )
    parser.add_argument("--findings", type=int, default=20, help="stop after this many findings (default: 20)")
    parser.add_argument(
        "--out", type=Path, default=Path(".cache/fuzz"), help="folder for findings (default: .cache/fuzz)"
    )
    parser.add_argument("--replay", type=Path, nargs="+", metavar="FILE", help="only run these stored inputs again")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
