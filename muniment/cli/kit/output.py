"""Formats values: tables for people, JSON for programs.

Values are never truncated: a terminal folds long ones, and other outputs get lines of any length.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import IO

import click
from rich import box, filesize
from rich.console import Console, JustifyMethod
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

# Lines that programs read must not be folded.
_WIDE = 100_000
# Control characters move a terminal's cursor; bidirectional overrides make one name look like another.
_UNSHOWABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")
# What JSON leaves as it is and a terminal or an editor obeys without showing it: C1 controls, format characters (bidi
# marks and overrides, zero width, soft hyphen, interlinear annotation, tags), line and paragraph separators, lone
# surrogates. Within a JSON string, `\uXXXX` means the same.
_INVISIBLE = re.compile(
    r"[\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    r"\ud800-\udfff\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    r"\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_FOLDER_SEPARATOR = "/"


@dataclass(frozen=True)
class Column:
    """A column of a table; its text folds unless the column is rigid."""

    name: str
    rigid: bool = False
    right: bool = False


def rigid(name: str) -> Column:
    """Return a column of short values."""
    return Column(name, rigid=True)


def right(name: str) -> Column:
    """Return a column of numbers."""
    return Column(name, rigid=True, right=True)


def console(stream: IO[str] | None = None) -> Console:
    """Return a console on `stream` (default: standard output) that prints text unchanged."""
    stream = stream or sys.stdout
    width = None if stream.isatty() else _WIDE
    return Console(file=stream, width=width, markup=False, emoji=False, highlight=False, soft_wrap=False)


def shown(text: str) -> str:
    """Return `text` made safe for one line of a terminal; untrusted mail may contain anything."""
    return text if text.isprintable() else _UNSHOWABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def print_json(value: object) -> None:
    """Print a value as indented JSON."""
    # If the output is not UTF-8, use JSON escapes.
    ascii_only = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
    click.echo(_INVISIBLE.sub(_escaped, json.dumps(value, indent=2, ensure_ascii=ascii_only)))


def _escaped(match: re.Match[str]) -> str:
    """Return a character as JSON escapes it: as one code unit of UTF-16, or as two."""
    units = match[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[str | Text]], *, out: Console | None = None) -> None:
    """Print rows as a table, or as names and values if the terminal is too narrow."""
    out = out or console()
    # Outside a terminal: no rule below the header, and two blanks between columns.
    lines, gap = (box.SIMPLE_HEAD, 1) if out.is_terminal else (None, 2)
    table = Table(box=lines, pad_edge=False, padding=(0, gap, 0, 0), header_style="bold", show_edge=False)
    for column in columns:
        justify: JustifyMethod = "right" if column.right else "left"
        table.add_column(column.name, justify=justify, overflow="fold", no_wrap=column.rigid)
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(shown(cell)) for cell in row))
    # Measure without a width limit; with one, rich reports that everything fits and then truncates.
    if Measurement.get(out, out.options.update_width(_WIDE), table).minimum <= out.width:
        _print(table, out)
        return
    for row in rows:
        print_facts(zip((column.name for column in columns), row, strict=True), out=out)
        out.print()


def print_facts(facts: Iterable[tuple[str, str | Text]], *, out: Console | None = None) -> None:
    """Print names and values, one pair per line."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(name, value if isinstance(value, Text) else Text(shown(value)))
    _print(table, out or console())


def print_warnings(warnings: Iterable[str], *, out: Console | None = None) -> None:
    """Print warnings, one per line."""
    out = out or console()
    for warning in warnings:
        out.print(Text.assemble(("warning: ", "bold yellow"), shown(warning)))


def print_indented(text: Text, *, out: Console, columns: int = 2) -> None:
    """Print a line indented below another."""
    out.print(Padding(text, (0, 0, 0, columns), expand=False))


def _print(table: Table, out: Console) -> None:
    """Print a table; outside a terminal, without rich's trailing blanks."""
    if out.is_terminal:
        out.print(table)
        return
    with out.capture() as captured:
        out.print(table)
    out.file.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def size(count: int) -> str:
    """Format a number of bytes: `1.4 MB`."""
    return filesize.decimal(count)


def number(count: int) -> str:
    """Format a count: `12,345`."""
    return f"{count:,}"


def plural(count: int, noun: str) -> str:
    """Return `1 message`, `2 messages`, `2 mailboxes`."""
    ending = "" if count == 1 else "es" if noun.endswith(("x", "s")) else "s"
    return f"{count:,} {noun}{ending}"


def local_time(time: datetime | None) -> str:
    """Format a time in this machine's time zone, with the zone's name."""
    return time.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z") if time else "-"


def local_minute(time: datetime | None) -> str:
    """Format a time to the minute, in this machine's time zone; for tables."""
    return time.astimezone().strftime("%Y-%m-%d %H:%M %Z") if time else "-"


def duration(span: timedelta) -> str:
    """Format a time span: `0.4 s`, `3 min 07 s`, `2 h 05 min`."""
    seconds = max(span.total_seconds(), 0.0)
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def folder_text(path: Sequence[str]) -> str:
    """Format a folder path."""
    return _FOLDER_SEPARATOR.join(path)
