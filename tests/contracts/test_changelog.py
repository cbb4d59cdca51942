"""CHANGELOG.md has the format that CONTRIBUTING.md describes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SECTIONS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
VERSION = re.compile(r"## (Unreleased|\d+\.\d+\.\d+ - \d{4}-\d{2}-\d{2})")


def problems(text: str) -> Iterator[str]:
    """Yield what breaks the format of a changelog."""
    title, *versions = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    if not title.startswith("# Changelog\n"):
        yield "no title"
    if [version for version in versions if version.startswith("## Unreleased\n")] != versions[:1]:
        yield "the first version is not Unreleased, or there is another one"
    for version in versions:
        name, _, content = version.partition("\n")
        if VERSION.fullmatch(name) is None:
            yield f"not a version with its date: {name}"
        yield from _section_problems(content)


def _section_problems(content: str) -> Iterator[str]:
    _, *sections = re.split(r"^### (.+)$", content, flags=re.MULTILINE)
    names = sections[::2]
    if names != [name for name in SECTIONS if name in names]:
        yield f"not once each of {', '.join(SECTIONS)}, in this order: {', '.join(names)}"
    for name, section in zip(names, sections[1::2], strict=True):
        entries = re.findall(r"^- (.+(?:\n  .+)*)", section, flags=re.MULTILINE)
        if not entries:
            yield f"no entry below {name}"
        for entry in entries:
            yield from _entry_problems(entry)


def _entry_problems(entry: str) -> Iterator[str]:
    if not entry.endswith("."):
        yield f"no full stop: {entry[:40]}"
    if "breaking" in entry.removeprefix("**Breaking:** ").lower():
        yield f"a breaking change begins with **Breaking:**: {entry[:40]}"


def test_changelog_has_the_format() -> None:
    """Versions, sections and entries are as described."""
    assert list(problems((ROOT / "CHANGELOG.md").read_text())) == []


GOOD = """\
# Changelog

## Unreleased

### Added

- **Breaking:** one thing. Do this.
- Another thing,
  on two lines.

### Fixed

- A fault.

## 1.0.0 - 2030-01-31

### Security

- A hole.
"""


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("# Changelog", "# Changes", "no title"),
        ("## Unreleased", "## 1.1.0 - 2030-02-01", "the first version is not Unreleased, or there is another one"),
        ("## 1.0.0 - 2030-01-31", "## 1.0.0", "not a version with its date: ## 1.0.0"),
        ("### Fixed", "### Mended", "not once each of"),
        ("### Fixed", "### Added", "not once each of"),
        ("on two lines.", "on two lines", "no full stop: Another thing"),
        ("- A hole.\n", "", "no entry below Security"),
        ("- **Breaking:** one", "- **BREAKING** one", "a breaking change begins with **Breaking:**"),
    ],
)
def test_each_rule_is_checked(old: str, new: str, problem: str) -> None:
    """A changelog in the format has no problem; one that breaks a rule has just that one."""
    assert list(problems(GOOD)) == []

    (found,) = problems(GOOD.replace(old, new))
    assert found.startswith(problem)
