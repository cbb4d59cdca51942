from __future__ import annotations

import io
import sys
from pathlib import Path

import click
import pytest

from muniment.cli.kit.passwords import read_password
from muniment.errors import Misconfigured


class Terminal(io.TextIOWrapper):
    """Standard input with given bytes; `is_terminal` says whether somebody could be asked."""

    def __init__(self, content: bytes, *, is_terminal: bool = False) -> None:
        super().__init__(io.BytesIO(content), encoding="utf-8")
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        """Say whether somebody could be asked."""
        return self._is_terminal


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give a password file that only its owner can read."""
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
    """A password is taken as it is, but for the line break that editors put at the end."""
    file.write_bytes(content)

    assert read_password(file, from_stdin=False, user="anna").reveal() == expected


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines", b"secret\n\n", b"\xff\xfe", b"nul\x00"])
def test_what_is_no_password_is_refused_without_showing_it(file: Path, content: bytes) -> None:
    """Nothing, several lines, or bytes that are no text end with an error that does not hold them."""
    file.write_bytes(content)

    with pytest.raises(Misconfigured) as caught:
        read_password(file, from_stdin=False, user="anna")

    assert str(file) in str(caught.value)
    assert "two" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_password_is_read_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """--password-stdin takes all of standard input."""
    monkeypatch.setattr(sys, "stdin", Terminal(b"secret\n"))

    assert read_password(None, from_stdin=True, user="anna").reveal() == "secret"


def test_two_sources_are_one_too_many(file: Path) -> None:
    """A file and standard input exclude each other."""
    with pytest.raises(click.UsageError, match="exclude each other"):
        read_password(file, from_stdin=True, user="anna")


def test_without_a_terminal_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A script that forgot the password gets an error that says how to give it, not a hanging prompt."""
    monkeypatch.setattr(sys, "stdin", Terminal(b"secret\n"))

    with pytest.raises(click.UsageError, match="--password-file"):
        read_password(None, from_stdin=False, user="anna")


def test_file_that_everybody_can_read_is_warned_about(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A world-readable password file is used, with a warning that says how to close it."""
    file.write_text("secret")
    file.chmod(0o644)

    read_password(file, from_stdin=False, user="anna")

    assert f"chmod 600 {file}" in capsys.readouterr().err


def test_private_file_brings_no_warning(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is said about a file of mode 0600."""
    file.write_text("secret")

    read_password(file, from_stdin=False, user="anna")

    assert capsys.readouterr() == ("", "")
