"""Every named block of SQL, and every migration, says what it is for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = sorted((ROOT / "muniment" / "db" / "sql").glob("*.sql"))
MIGRATIONS = sorted((ROOT / "muniment" / "db" / "migrations").glob("*.sql"))


def undescribed(text: str) -> Iterator[str]:
    """Yield the names of blocks without a comment of two words or more between their name and their statement."""
    _, *parts = re.split(r"^-- ([a-z_]+) --$", text, flags=re.MULTILINE)
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        described = re.match(r"\n-- (.+)\n", body)
        if described is None or len(set(re.findall(r"[a-z]{2,}", described[1].lower())) - set(name.split("_"))) < 2:
            yield name


@pytest.mark.parametrize("path", BLOCKS, ids=lambda path: path.stem)
def test_every_block_is_described(path: Path) -> None:
    """A comment below the name says what the statement does, in more words than the name has."""
    assert list(undescribed(path.read_text())) == []


@pytest.mark.parametrize("path", MIGRATIONS, ids=lambda path: path.stem)
def test_every_migration_begins_with_a_description(path: Path) -> None:
    """The first line of a migration is a sentence about what it changes."""
    assert re.match(r"-- \S+ \S+", path.read_text())


def test_missing_descriptions_are_found() -> None:
    """No comment, an empty one, one that repeats the name, and one in the wrong place do not count."""
    text = """\
-- good --
-- The current store
SELECT 1;

-- bare --
SELECT 1;

-- empty --
--
SELECT 1;

-- find_user --
-- Find user
SELECT 1;

-- late --
SELECT 1
-- The current store
;
"""

    assert list(undescribed(text)) == ["bare", "empty", "find_user", "late"]


def test_files_are_looked_at() -> None:
    """The tests above see the files."""
    assert len(BLOCKS) > 10
    assert len(MIGRATIONS) > 10
