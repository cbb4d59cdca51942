from __future__ import annotations

from pathlib import Path

import click
import pytest

from muniment.cli.kit.names import Name, is_address, read_addresses
from muniment.errors import Misconfigured


def test_addresses_are_read_with_comments_and_blank_lines_skipped(tmp_path: Path) -> None:
    """Each line is one address; blank lines, comments, a byte order mark and repetitions are ignored."""
    file = tmp_path / "boxes"
    file.write_text("\ufeff# staff\n\n anna@example.com \r\nbob@example.com\nANNA@example.com\n", "utf-8")

    assert read_addresses(file) == ["anna@example.com", "bob@example.com"]


def test_every_bad_line_is_reported_with_its_number(tmp_path: Path) -> None:
    """All invalid lines of a file are reported together."""
    file = tmp_path / "boxes"
    file.write_text("anna@example.com\nbob\n\n@x\na b@example.com\n")

    with pytest.raises(Misconfigured) as caught:
        read_addresses(file)

    message = str(caught.value)
    assert [n for n in range(1, 6) if f"line {n}:" in message] == [2, 4, 5]
    assert "'bob'" in message


def test_a_thousand_bad_lines_do_not_flood_the_terminal(tmp_path: Path) -> None:
    """Of many invalid lines, only the first are listed, with the number of the others."""
    file = tmp_path / "boxes"
    file.write_text("bad\n" * 1000)

    with pytest.raises(Misconfigured) as caught:
        read_addresses(file)

    assert len(str(caught.value).splitlines()) == 22
    assert "980 more" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"# nobody\n", b"\xff\xfe"])
def test_a_file_without_addresses_is_refused(tmp_path: Path, content: bytes) -> None:
    """An empty list of mailboxes is an error, not a profile without mailboxes."""
    file = tmp_path / "boxes"
    file.write_bytes(content)

    with pytest.raises(Misconfigured):
        read_addresses(file)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("anna@example.com", True),
        ("büro@müller.example", True),
        ("root@localhost", True),
        ("o'brien+tag@example.com", True),
        ("anna", False),
        ("@example.com", False),
        ("anna@", False),
        ("a@b@c", False),
        ("an na@example.com", False),
        ("anna@exa\x00mple.com", False),
        ("anna@exa\u202emple.com", False),
    ],
)
def test_what_is_an_address(text: str, expected: bool) -> None:
    """An address has the form local@domain, without blanks or invisible characters."""
    assert is_address(text) is expected


@pytest.mark.parametrize("text", ["", " anna", "anna ", "an\nna", "a\x1b[2Jb", "x" * 201])
def test_names_that_are_hard_to_type_are_refused(text: str) -> None:
    """A name is printable and has no leading or trailing blanks."""
    with pytest.raises(click.BadParameter):
        Name().convert(text, None, None)
