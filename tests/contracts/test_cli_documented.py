"""The command line reference is complete and up to date."""

from __future__ import annotations

import re

import click
import pytest

from muniment.cli.kit.exit_codes import ExitCode
from tools import cli_doc


def test_page_is_up_to_date() -> None:
    """The page equals the output of tools/cli_doc.py."""
    assert cli_doc.render() == cli_doc.PAGE.read_text(), "run: python -m tools.cli_doc"


@pytest.mark.parametrize("context", [context for _, context in cli_doc.commands()], ids=lambda c: c.command_path)
def test_every_command_and_option_explains_itself(context: click.Context) -> None:
    """Every command and every option has a help text."""
    options = [parameter for parameter in context.command.params if isinstance(parameter, click.Option)]

    assert context.command.help
    assert [option.name for option in options if not option.help] == []


def test_every_command_with_json_lists_its_keys() -> None:
    """Every command with --json has its keys documented on the page."""
    offering = {
        path.removeprefix("muniment ")
        for path, context in cli_doc.commands()
        if any("--json" in parameter.opts for parameter in context.command.params)
    }

    assert offering == set(cli_doc.SHAPES)


@pytest.mark.parametrize("code", list(ExitCode), ids=lambda code: code.name)
def test_every_exit_code_is_documented(code: ExitCode) -> None:
    """Each code has a sentence of its own and a row on the page."""
    assert re.fullmatch(r"[A-Z].*\.", code.meaning)
    assert [other for other in ExitCode if other.meaning == code.meaning] == [code]
    assert f"| {int(code)} | `{code.name}` | {code.meaning} |\n" in cli_doc.PAGE.read_text()


def test_every_command_is_on_the_page() -> None:
    """Each command has a section of its own."""
    sections = re.findall(r"^### (.+)$", cli_doc.PAGE.read_text(), re.MULTILINE)

    assert [path for path, _ in cli_doc.commands()] == sections
