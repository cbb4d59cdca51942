from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from rich.console import Console

from muniment.cli.kit.output import Column, duration, plural, print_json, print_table, right, rigid, shown
from muniment.shapes.values import utc

LONG = "a-very-long-folder-name-that-no-terminal-of-eighty-columns-can-show-in-one-line/" * 3


def piped() -> Console:
    """Return a console that behaves like a pipe."""
    return Console(file=io.StringIO(), width=100_000, markup=False)


def terminal(width: int) -> Console:
    """Return a console that behaves like a terminal."""
    return Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None, markup=False)


def text_of(console: Console) -> str:
    """Return what was printed."""
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


COLUMNS = [right("run"), Column("folder"), rigid("state")]


def test_piped_tables_have_one_complete_line_per_row() -> None:
    """Output for programs is complete, without folding and trailing blanks."""
    out = piped()

    print_table(COLUMNS, [("1", LONG, "done"), ("22", "short", "done")], out=out)

    lines = text_of(out).splitlines()
    assert len(lines) == 3
    assert LONG in lines[1]
    assert lines == [line.rstrip() for line in lines]


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_tables_of_terminals_lose_nothing(width: int) -> None:
    """Even a narrow terminal shows every character of every value within its width."""
    out = terminal(width)

    print_table(COLUMNS, [("1", LONG, "cancelled")], out=out)

    lines = text_of(out).splitlines()
    assert max(map(len, lines)) <= width
    letters = "".join(text_of(out).split())
    assert sum(letters.count(c) for c in "abcdefghijklmnopqrstuvwxyz") >= sum(c.isalpha() for c in LONG + "cancelled")
    assert "…" not in letters


def test_markup_in_values_is_text() -> None:
    """Folder names with brackets are shown unchanged."""
    out = piped()

    print_table([Column("folder")], [("[bold]x[/bold] :smile:",)], out=out)

    assert "[bold]x[/bold] :smile:" in text_of(out)


@pytest.mark.parametrize("hostile", ["a\x1b[2Jb", "a\rb", "a\nb", "a\x9b31mb", "a\u202eb", "a\x00\x07b", "a\ud800b"])
def test_a_strangers_subject_cannot_drive_the_terminal(hostile: str) -> None:
    """Control characters, line breaks and bidirectional overrides become one replacement character."""
    safe = shown(hostile)

    assert safe[0] == "a"
    assert safe[-1] in "bm" or safe.endswith("Jb")
    assert "\N{REPLACEMENT CHARACTER}" in safe
    assert safe.isprintable()


@pytest.mark.parametrize("text", ["Müller & Söhne", "会議", "q1 😀", "a b"])
def test_letters_of_all_scripts_are_shown(text: str) -> None:
    """Printable characters are not replaced."""
    assert shown(text) == text


def test_json_is_the_value_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    """All of standard output can be parsed."""
    value = {"folder": ["Entwürfe", "a\nb"], "count": 3, "none": None}

    print_json(value)

    out, err = capsys.readouterr()
    assert json.loads(out) == value
    assert err == ""


def test_times_for_programs_are_in_utc() -> None:
    """Times are ISO 8601 with Z, regardless of their original zone."""
    time = datetime(2024, 5, 1, 14, 0, tzinfo=timezone(timedelta(hours=2)))

    assert utc(time) == "2024-05-01T12:00:00Z"
    assert utc(None) is None
    assert datetime.fromisoformat(utc(time) or "") == time.astimezone(UTC)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(-1, "0.0 s"), (0.44, "0.4 s"), (59, "59.0 s"), (60, "1 min 00 s"), (187, "3 min 07 s"), (7500, "2 h 05 min")],
)
def test_durations(seconds: float, expected: str) -> None:
    """The unit of a time span depends on its length."""
    assert duration(timedelta(seconds=seconds)) == expected


@pytest.mark.parametrize(
    ("count", "noun", "expected"),
    [
        (1, "message", "1 message"),
        (2000, "message", "2,000 messages"),
        (0, "mailbox", "0 mailboxes"),
        (2, "address", "2 addresses"),
    ],
)
def test_plurals(count: int, noun: str, expected: str) -> None:
    """Counts are formatted as correct English."""
    assert plural(count, noun) == expected


@pytest.mark.parametrize(
    "text",
    [
        "\u202egpj.exe",
        "a\u2066b\u2069",
        "\u200f\u200e\u061c",
        "zero\u200bwidth\u200d\ufeff",
        "soft\u00adhyphen",
        "c1\x9b31m\x85",
        "line\u2028\u2029",
        "tag\U000e0041\U000e007f",
        "del\x7f",
    ],
)
def test_json_escapes_what_is_invisible(capsys: pytest.CaptureFixture[str], text: str) -> None:
    """What a terminal or an editor would obey without showing it is escaped, and means the same to a program."""
    print_json({"name": text, text: [text], "visible": "Grüße 日本 👍"})
    out = capsys.readouterr().out

    assert json.loads(out) == {"name": text, text: [text], "visible": "Grüße 日本 👍"}
    assert out.replace("\n", "").isprintable()
    assert "Grüße 日本 👍" in out


def test_json_escapes_as_usual(capsys: pytest.CaptureFixture[str]) -> None:
    """The override that turns names around is `\\u202e`."""
    print_json("\u202e")

    assert capsys.readouterr().out == '"\\u202e"\n'
