"""Numbers of runs and quarantined messages that nothing can have: not found, whatever they look like."""

from __future__ import annotations

import pytest

from muniment.cli.kit.exit_codes import ExitCode
from muniment.cli.program import run

COMMANDS = [
    ["run", "show"],
    ["run", "cancel"],
    ["deletions", "--run"],
    ["deletions", "--kept", "--run"],
    ["quarantine", "show"],
    ["quarantine", "retry"],
    ["quarantine", "accept", "--reason", "x"],
    ["quarantine", "export", "--output", "-"],
]


@pytest.mark.parametrize("number", ["9" * 19, "9" * 40, "-1", "-99999999999999999999", "0", "seven", "1.5", "٣", ""])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_number_that_nothing_has(command: list[str], number: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The error says what there is not, and how to see what there is; nothing is connected to."""
    code = run([*command, number])
    said = capsys.readouterr().err

    assert code == ExitCode.NOT_FOUND
    assert said.startswith("error: there is no ")
    assert number[:19] in said
    assert "hint: `muniment " in said


def test_an_unknown_option_is_still_one(capsys: pytest.CaptureFixture[str]) -> None:
    """A negative number is an argument; anything else that begins with a dash is an option."""
    code = run(["run", "show", "--jsn", "7"])

    assert code == ExitCode.USAGE
    assert "--jsn" in capsys.readouterr().err


def test_messages_are_named_or_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a choice, and with two, nothing is accepted."""
    for words in ([], ["5", "--all"]):
        assert run(["quarantine", "accept", "--reason", "x", *words]) == ExitCode.USAGE
        assert "Name messages by ID" in capsys.readouterr().err
