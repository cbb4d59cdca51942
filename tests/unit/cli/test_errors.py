from __future__ import annotations

import pytest

from muniment import errors as kinds
from muniment.cli.kit import errors
from muniment.cli.kit.exit_codes import ExitCode
from muniment.cli.program import run
from muniment.errors import MunimentError


def all_errors(base: type[MunimentError] = MunimentError) -> list[type[MunimentError]]:
    """Return every error class."""
    return [base, *(found for child in base.__subclasses__() for found in all_errors(child))]


def test_exit_codes_are_distinct() -> None:
    """Each exit code has exactly one meaning."""
    assert len({int(code) for code in ExitCode}) == len(ExitCode)


@pytest.mark.parametrize("kind", all_errors(), ids=lambda kind: kind.__name__)
def test_an_error_never_looks_like_success_or_like_a_failed_run(kind: type[MunimentError]) -> None:
    """The exit code of an error differs from those for success, usage errors and failed runs."""
    assert errors.exit_code_of(kind()) not in {ExitCode.OK, ExitCode.USAGE, ExitCode.MAILBOXES_FAILED}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (kinds.NotFound(), ExitCode.NOT_FOUND),
        (kinds.Conflict(), ExitCode.CONFLICT),
        (kinds.Damaged(), ExitCode.DAMAGED),
        (kinds.Misconfigured(), ExitCode.MISCONFIGURED),
        (kinds.DatabaseUnavailable(), ExitCode.UNAVAILABLE),
        (kinds.ServerThrottled(), ExitCode.UNAVAILABLE),
        (kinds.LoginRefused(), ExitCode.REFUSED),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, MunimentError) else value.name,
)
def test_kinds_of_errors_have_their_codes(error: MunimentError, code: ExitCode) -> None:
    """The exit code tells a script what it can do about the error."""
    assert errors.exit_code_of(error) is code


def test_errors_go_to_standard_error_with_their_hint(capsys: pytest.CaptureFixture[str]) -> None:
    """An error is one line, its hint another; standard output stays empty."""
    errors.report(kinds.NotFound("there is no user x", hint="`muniment user list` shows all users."))

    assert capsys.readouterr() == ("", "error: there is no user x\nhint: `muniment user list` shows all users.\n")


def test_unexpected_errors_are_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected error shows how to get a traceback, but not the traceback."""
    monkeypatch.delenv("MUNIMENT_LOG_LEVEL", raising=False)

    code = errors.report_fault(ValueError("first\nsecond"))

    assert code is ExitCode.INTERNAL
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "error: unexpected ValueError: first second"
    assert "MUNIMENT_LOG_LEVEL=DEBUG" in lines[1]


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """With MUNIMENT_LOG_LEVEL=DEBUG, the traceback precedes the error line."""
    monkeypatch.setenv("MUNIMENT_LOG_LEVEL", "debug")

    try:
        raise ValueError("here")
    except ValueError as error:
        errors.report_fault(error)

    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--version"], ExitCode.OK),
        (["--help"], ExitCode.OK),
        (["user", "--help"], ExitCode.OK),
        (["no-such-command"], ExitCode.USAGE),
        (["user", "add", "anna"], ExitCode.USAGE),
        (["user", "add", "anna", "--email", "no address"], ExitCode.USAGE),
        (["export", "--user", "anna", "--format", "pst", "--to", "x"], ExitCode.USAGE),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value.name,
)
def test_command_lines_have_their_codes(
    arguments: list[str], code: ExitCode, capsys: pytest.CaptureFixture[str]
) -> None:
    """Help succeeds; an invalid command line exits with 2 and explains why on standard error."""
    assert run(arguments) == code

    out, err = capsys.readouterr()
    assert (bool(out), bool(err)) == (code is ExitCode.OK, code is not ExitCode.OK)


def test_a_misspelt_setting_is_reported(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown environment variable is a configuration error, not silently ignored."""
    monkeypatch.setenv("MUNIMENT_DATABSE_URL", "postgresql://")

    assert run(["user", "list"]) == ExitCode.MISCONFIGURED
    assert "MUNIMENT_DATABSE_URL" in capsys.readouterr().err


def test_without_a_running_muniment_the_hint_says_how_to_start_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """If nothing is running, the hint names the command that starts Muniment."""
    for name in ("MUNIMENT_DATABASE_URL", "MUNIMENT_REDIS_URL"):
        monkeypatch.delenv(name, raising=False)

    assert run(["--data", str(tmp_path_factory.mktemp("data")), "status"]) == ExitCode.UNAVAILABLE
    assert "muniment up" in capsys.readouterr().err
