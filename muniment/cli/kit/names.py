"""Validates names and addresses from the command line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click

from muniment.errors import Misconfigured, NotFound

_ADDRESS = re.compile(r"[^\s@\x00-\x1f\x7f]+@[^\s@\x00-\x1f\x7f]+")
_DIGITS = re.compile(r"[0-9]{1,30}")
_NEGATIVE = re.compile(r"-[0-9]+")
_BEYOND = 2**63  # PostgreSQL's bigint ends before this number
_SHOWN = 20
_LONGEST_NAME = 200


class Name(click.ParamType[str]):
    """The name of a user or profile: printable, without leading or trailing blanks."""

    name = "name"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name; fail with a usage error if it is invalid."""
        if not value or value != value.strip() or not value.isprintable():
            self.fail(
                f"{value!r} is not a valid name: use printable text without leading or trailing blanks.", param, ctx
            )
        if len(value) > _LONGEST_NAME:
            self.fail(f"The name is longer than {_LONGEST_NAME} characters.", param, ctx)
        return value


class Id(click.ParamType[int]):
    """The number of something, such as a run; a number or text that nothing can have is not found."""

    name = "id"

    def __init__(self, noun: str, hint: str) -> None:
        self._noun = noun
        self._hint = hint

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ARG002
        """Return the number; raise NotFound if nothing can have it."""
        text = str(value).strip()
        if not _DIGITS.fullmatch(text) or not 0 < int(text) < _BEYOND:
            raise NotFound(f"there is no {self._noun} {text[:_LONGEST_NAME]!r}", hint=self._hint)
        return int(text)


class IdCommand(click.Command):
    """A command whose arguments are ids: a negative number is one that does not exist, and not an unknown option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the command line, with negative numbers as arguments."""
        if "--" not in args:
            negative = [arg for arg in args if _NEGATIVE.fullmatch(arg)]
            args = [arg for arg in args if arg not in negative] + (["--", *negative] if negative else [])
        return super().parse_args(ctx, args)


class Address(click.ParamType[str]):
    """An e-mail address."""

    name = "address"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the address; fail with a usage error if it is invalid."""
        if not is_address(value):
            self.fail(f"{value!r} is not an e-mail address (expected name@example.com).", param, ctx)
        return value


#: How many rows to show: far less than what PostgreSQL takes as a number.
LIMIT = click.IntRange(1, 1_000_000_000)

#: The id of a run.
RUN_ID = Id("run", "`muniment run list` shows the latest runs.")


def is_address(text: str) -> bool:
    """Whether `text` looks like an address: `local@domain`, without blanks or control characters."""
    return _ADDRESS.fullmatch(text) is not None and text.isprintable()


def read_lines(file: Path) -> list[str]:
    """Return the lines of a file, without blank lines and `#` comments; Misconfigured if there are none."""
    lines = [text for _, text in _numbered(file)]
    if not lines:
        raise Misconfigured(f"{file} is empty", hint="Write one name per line.")
    return lines


def read_addresses(file: Path) -> list[str]:
    """Return the distinct addresses in a file, one per line; blank lines and `#` comments are skipped.

    Raises Misconfigured, listing every invalid line, or if the file contains no address.
    """
    addresses: dict[str, str] = {}
    bad: list[str] = []
    for number, text in _numbered(file):
        if is_address(text):
            addresses.setdefault(text.lower(), text)
        else:
            bad.append(f"  line {number}: {text[:80]!r}")
    if bad:
        rest = [f"  … and {len(bad) - _SHOWN} more"] if len(bad) > _SHOWN else []
        raise Misconfigured(
            "\n".join([f"{file} contains lines that are not e-mail addresses:", *bad[:_SHOWN], *rest]),
            hint="Write one address per line. Blank lines and lines that begin with # are ignored.",
        )
    if not addresses:
        raise Misconfigured(f"{file} contains no addresses", hint="Write one address per line.")
    return list(addresses.values())


def _numbered(file: Path) -> Iterator[tuple[int, str]]:
    try:
        lines = file.read_text("utf-8-sig").splitlines()
    except OSError as error:
        raise Misconfigured(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Misconfigured(f"{file} is not valid UTF-8 text") from error
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if text and not text.startswith("#"):
            yield number, text
