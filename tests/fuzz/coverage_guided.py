"""The coverage-guided fuzzer: `python -m tests.fuzz --coverage`.

atheris detects which inputs reach new branches of our code, and generates similar ones. It is Apache-2.0 and a wheel of
35 MB that nothing else needs: `make fuzz` installs it only for `--coverage`.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["muniment.imap", "muniment.mail"]):
    # Only modules that are first imported here are instrumented.
    from tests.fuzz.fuzzer import INPUT_BYTES, Fuzzer
    from tests.fuzz.report import Report

_REPORT_SECONDS = 60.0


def main() -> None:
    """Fuzz for this many minutes. If libFuzzer finds something, it ends the process with a nonzero code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz --coverage", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path(".cache/fuzz"))
    options = parser.parse_args()
    corpus = options.out / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    fuzzer, report, began = Fuzzer(), Report(), time.monotonic()
    reported = began

    def run(data: bytes) -> None:
        nonlocal reported
        fuzzer.run(data)
        now = time.monotonic()
        if now > reported + _REPORT_SECONDS:
            reported = now
            print(report.line(fuzzer, now - began, 0), file=sys.stderr, flush=True)
        if now > began + options.minutes * 60:
            print(report.table(fuzzer, now - began, options.seed, 0), flush=True)
            os._exit(0)  # libFuzzer's only other exit is its own time limit, which ends without a report

    flags = [
        f"-max_len={INPUT_BYTES}",
        f"-seed={options.seed}",
        "-timeout=60",
        "-rss_limit_mb=1024",
        "-len_control=0",
        f"-artifact_prefix={options.out}/",
    ]
    atheris.Setup([sys.argv[0], *flags, str(corpus)], run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
