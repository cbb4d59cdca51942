from __future__ import annotations

import io
import sys
from pathlib import Path

import click
import pytest

from muniment.cli.kit.passwords import read_password
from muniment.errors import Misconfigured


class Terminal(io.TextIOWrapper):
    """Standard input with the given bytes; `is_terminal` says whether a prompt is possible."""

    def __init__(self, content: bytes, *, is_terminal: bool = False) -> None:
        super().__init__(io.BytesIO(content), encoding="utf-8")
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        """Return whether a prompt is possible."""
        return self._is_terminal


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a password file that only its owner can read."""
    path = tmp_path / "password"
    path.touch(mode=0o600)
    return path


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"secret", "secret"),
        (b"secret\n", "secret"),
        (b"secret\r\n", "secret"),
        (b" with blanks \n", " with blanks "),
        ("pässwörd\n".encode(), "pässwörd"),
    ],
)
def test_one_line_break_belongs_to_the_file(file: Path, content: bytes, expected: str) -> None:
    """A password is used unchanged, except for the line break that editors append."""
    file.write_bytes(content)

    assert read_password(file, from_stdin=False, user="anna").reveal() == expected


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines", b"secret\n\n", b"\xff\xfe", b"nul\x00"])
def test_what_is_no_password_is_refused_without_showing_it(file: Path, content: bytes) -> None:
    """An empty, multi-line or binary password is refused with an error that does not contain it."""
    file.write_bytes(content)

    with pytest.raises(Misconfigured) as caught:
        read_password(file, from_stdin=False, user="anna")

    assert str(file) in str(caught.value)
    assert "two" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_password_is_read_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """--password-stdin reads all of standard input."""
    monkeypatch.setattr(sys, "stdin", Terminal(b"secret\n"))

    assert read_password(None, from_stdin=True, user="anna").reveal() == "secret"


def test_two_sources_are_one_too_many(file: Path) -> None:
    """A file and standard input are mutually exclusive."""
    with pytest.raises(click.UsageError, match="mutually exclusive"):
        read_password(file, from_stdin=True, user="anna")


def test_without_a_terminal_there_is_no_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    """A script without a password gets an error that lists the options, not a hanging prompt."""
    monkeypatch.setattr(sys, "stdin", Terminal(b"secret\n"))

    with pytest.raises(click.UsageError, match="--password-file"):
        read_password(None, from_stdin=False, user="anna")


def test_a_world_readable_file_causes_a_warning(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A world-readable password file is used, with a warning that shows the chmod command."""
    file.write_text("secret")
    file.chmod(0o644)

    read_password(file, from_stdin=False, user="anna")

    assert f"chmod 600 {file}" in capsys.readouterr().err


def test_a_private_file_causes_no_warning(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file with mode 0600 causes no output."""
    file.write_text("secret")

    read_password(file, from_stdin=False, user="anna")

    assert capsys.readouterr() == ("", "")
