"""Lines have at most 120 characters; ruff sees to that in Python (E501), this test in everything else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHARACTERS = 120
KINDS = {".sql", ".sh", ".toml", ".yml", ".yaml", ".md", ".lua", ".ini", ".service", ".timer"}
#: Not of this tree, and migrations: they are never changed.
LEFT_OUT = {".git", ".venv", ".hypothesis", "migrations"}
FILES = sorted(
    path
    for path in [*ROOT.rglob("*"), ROOT / ".ci" / "run"]
    if (path.suffix in KINDS or path.name in {"Makefile", "Dockerfile", "run"})
    and path.is_file()
    and LEFT_OUT.isdisjoint(path.relative_to(ROOT).parts)
)


def too_long(text: str, *, is_markdown: bool) -> Iterator[int]:
    """Yield the numbers of lines that are too long and could be broken.

    A table's row cannot (and neither can a word, such as an address), nor what a Markdown page shows as it is.
    """
    shown = False
    for number, line in enumerate(text.splitlines(), start=1):
        if is_markdown and re.match(r"\s*```", line):
            shown = not shown
        unbreakable = is_markdown and (shown or line.lstrip().startswith("|"))
        if len(line) > CHARACTERS and not unbreakable and any(len(word) < CHARACTERS - 4 for word in words(line)):
            yield number


def words(line: str) -> list[str]:
    """Return the words of a line, without marks of comments and lists."""
    return [word for word in line.split() if word not in {"#", "--", "-", "*", ">"}]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_lines_are_not_too_long(path: Path) -> None:
    """No line of a file that people write is longer than 120 characters, if it can be broken."""
    assert list(too_long(path.read_text(), is_markdown=path.suffix == ".md")) == []


def test_long_lines_are_found() -> None:
    """Prose is measured; tables and code in Markdown, and single words, are not."""
    prose, word, row = "word " * 30, "x" * 150, "| " + "cell " * 30
    text = "\n".join([prose, word, f"# {word}", row, "```", prose, "```", prose])

    assert list(too_long(text, is_markdown=True)) == [1, 8]
    assert list(too_long(text, is_markdown=False)) == [1, 4, 6, 8]


def test_files_are_looked_at() -> None:
    """The test above sees files of every sort."""
    names = {path.relative_to(ROOT).as_posix() for path in FILES}

    assert {"Makefile", ".ci/run", "README.md", "tools/setup.sh", "muniment/db/sql/jobs.sql"} <= names
    assert "docker-compose.yml" in names
