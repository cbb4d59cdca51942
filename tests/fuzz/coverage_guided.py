"""The fuzzer guided by coverage: `python -m tests.fuzz --coverage`.

atheris looks which inputs reach new branches of ours, and makes more like them. It is Apache-2.0, a wheel of 35 MB, and
nobody else needs it: `make fuzz` installs it when it is asked for `--coverage`.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["muniment.imap", "muniment.mail"]):
    # Only what is imported here for the first time is instrumented.
    from tests.fuzz.fuzzer import INPUT_BYTES, Fuzzer
    from tests.fuzz.report import Report

_REPORT_SECONDS = 60.0


def main() -> None:
    """Fuzz for so many minutes. libFuzzer ends the process with another code than 0 when it has found something."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz --coverage", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path(".cache/fuzz"))
    options = parser.parse_args()
    corpus = options.out / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    fuzzer, report, began = Fuzzer(), Report(), time.monotonic()
    told = began

    def one(data: bytes) -> None:
        nonlocal told
        fuzzer.run(data)
        now = time.monotonic()
        if now > told + _REPORT_SECONDS:
            told = now
            print(report.line(fuzzer, now - began, 0), file=sys.stderr, flush=True)
        if now > began + options.minutes * 60:
            print(report.table(fuzzer, now - began, options.seed, 0), flush=True)
            os._exit(0)  # libFuzzer has no other way out of its loop than time of its own, which ends without a word

    flags = [
        f"-max_len={INPUT_BYTES}",
        f"-seed={options.seed}",
        "-timeout=60",
        "-rss_limit_mb=1024",
        "-len_control=0",
        f"-artifact_prefix={options.out}/",
    ]
    atheris.Setup([sys.argv[0], *flags, str(corpus)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
