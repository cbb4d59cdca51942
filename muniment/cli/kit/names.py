"""Names and addresses that people type: checked where they come in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click

from muniment.errors import Misconfigured

_ADDRESS = re.compile(r"[^\s@\x00-\x1f\x7f]+@[^\s@\x00-\x1f\x7f]+")
_SHOWN = 20
_LONGEST_NAME = 200


class Name(click.ParamType[str]):
    """A name of a user or profile: printable, without blanks around it."""

    name = "name"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name, or end with a usage error that says what is wrong."""
        if not value or value != value.strip() or not value.isprintable():
            self.fail(f"{value!r} is no name: it must be printable text without blanks around it.", param, ctx)
        if len(value) > _LONGEST_NAME:
            self.fail(f"the name is longer than {_LONGEST_NAME} characters.", param, ctx)
        return value


class Address(click.ParamType[str]):
    """An e-mail address."""

    name = "address"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the address, or end with a usage error."""
        if not is_address(value):
            self.fail(f"{value!r} is no e-mail address (something@example.com).", param, ctx)
        return value


def is_address(text: str) -> bool:
    """Whether `text` has the shape of an address: something@something, no blanks or control characters."""
    return _ADDRESS.fullmatch(text) is not None and text.isprintable()


def read_lines(file: Path) -> list[str]:
    """Return the lines of a file; blank ones and those with `#` in front are skipped. Misconfigured when it has none."""
    found = [text for _, text in _numbered(file)]
    if not found:
        raise Misconfigured(f"{file} is empty", hint="One name a line.")
    return found


def read_addresses(file: Path) -> list[str]:
    """Return the addresses in a file, one a line, each once; blank lines and lines with `#` in front are skipped.

    Misconfigured names every line that is no address, and a file without any.
    """
    found: dict[str, str] = {}
    bad: list[str] = []
    for number, text in _numbered(file):
        if is_address(text):
            found.setdefault(text.lower(), text)
        else:
            bad.append(f"  line {number}: {text[:80]!r}")
    if bad:
        rest = [f"  … and {len(bad) - _SHOWN} more"] if len(bad) > _SHOWN else []
        raise Misconfigured(
            "\n".join([f"{file} has lines that are no e-mail address:", *bad[:_SHOWN], *rest]),
            hint="One address a line; blank lines and lines that begin with # are skipped.",
        )
    if not found:
        raise Misconfigured(f"{file} names no mailbox", hint="One address a line.")
    return list(found.values())


def _numbered(file: Path) -> Iterator[tuple[int, str]]:
    try:
        lines = file.read_text("utf-8-sig").splitlines()
    except OSError as error:
        raise Misconfigured(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Misconfigured(f"{file} is not text in UTF-8") from error
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if text and not text.startswith("#"):
            yield number, text
