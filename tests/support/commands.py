"""Checks that command lines parse, using the real parsers without running anything."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest
from celery.bin.celery import celery

from tests.support.compose import ROOT


def parse_celery(argv: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> tuple[str, dict[str, Any]]:
    """Return subcommand and parameters of `celery …`; raises click's UsageError if it does not parse.

    Everything except the subcommand's body runs: the app behind `-A` is imported and may read its configuration, which
    names servers that are never connected to.
    """
    monkeypatch.setenv("MUNIMENT_REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("MUNIMENT_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    program, *arguments = argv
    assert program == "celery"
    seen: list[tuple[str, dict[str, Any]]] = []
    for name, command in celery.commands.items():
        # Bind the name now: the loop changes it.
        def capture(_name: str = name, **params: Any) -> None:
            seen.append((_name, params))

        monkeypatch.setattr(command, "callback", capture)
    celery.main(arguments, standalone_mode=False)
    assert len(seen) == 1
    return seen[0]


def parse_muniment(argv: Sequence[str]) -> None:
    """Fail unless `muniment …` parses: an appended `--help` answers only if everything before it is valid."""
    program, *arguments = argv
    assert program == "muniment"
    code = "from muniment.cli import main; main()"
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
