from __future__ import annotations

import json
import os
import subprocess
import sys

import click
import pytest

from muniment.cli.kit.exit_codes import ExitCode
from muniment.cli.kit.lazy import LazyGroup
from muniment.cli.program import COMMANDS, root

HEAVY = {"asyncpg", "celery", "kombu", "opensearchpy", "rich", "aioimaplib", "cryptography", "muniment.resources"}


def test_help_imports_nothing_heavy() -> None:
    """`muniment --help` starts fast: it imports no driver, no queue and no terminal toolkit."""
    code = (
        "import json, sys\n"
        "from muniment.cli.program import run\n"
        "code = run(['--help'])\n"
        "sys.stderr.write(json.dumps([code, *sys.modules]))\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)

    exit_code, *modules = json.loads(result.stderr)
    assert exit_code == 0
    assert HEAVY & set(modules) == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_table_exists(name: str) -> None:
    """Each row of the table refers to a command with that name and a help text."""
    assert isinstance(root, LazyGroup)

    command = root.get_command(click.Context(root), name)

    assert command is not None
    assert command.name == name
    assert command.help


def test_a_closed_pipe_ends_the_command_quietly() -> None:
    """`muniment … | head` prints no traceback and exits like other programs."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        result = subprocess.run(
            [sys.executable, "-m", "muniment.cli", "--help"],
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
        )
    finally:
        os.close(writer)

    assert (result.returncode, result.stderr) == (ExitCode.BROKEN_PIPE, "")
