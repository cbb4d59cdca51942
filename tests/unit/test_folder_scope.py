"""The pattern language of include and exclude lists."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.errors import Misconfigured
from muniment.model.folder_scope import FolderPattern

PATHS = st.lists(st.text("aAbB .|$^(", min_size=1, max_size=4), min_size=1, max_size=4)


@pytest.mark.parametrize(
    ("pattern", "fits", "fits_not"),
    [
        ("Private", ["Private", "Private/X", "Private/X/Y"], ["Inbox/Private", "Private Stuff", "private"]),
        ("/Private/", ["Private", "Private/X"], ["X/Private"]),
        ("Private/.", ["Private"], ["Private/X", "Private."]),
        ("A/B", ["A/B", "A/B/C"], ["A", "A/BC", "B"]),
        ("Inbox", ["INBOX", "INBOX/Work"], ["Inboxes"]),
        ("inbox/Work", ["INBOX/Work", "INBOX/Work/2024"], ["INBOX", "INBOX/work"]),
        ("||Example", ["Example", "An Example/X", "a/Examples"], ["example"]),
        (r"|i|(^|/)Example(/|$)", ["example", "A/EXAMPLE/B", "x/Example"], ["MyExample", "Example2"]),
        ("||^Projects/20\\d\\d$", ["Projects/2024"], ["Projects/2024/X", "Old/Projects/2024"]),
        ("a.c", ["a.c"], ["abc"]),
        ("Entw\u00fcrfe", ["Entwu\u0308rfe", "Entw\u00fcrfe/X"], ["Entwurfe"]),
        ("Entwu\u0308rfe/.", ["Entw\u00fcrfe"], ["Entw\u00fcrfe/X"]),
        ("||^Entwu\u0308", ["Entw\u00fcrfe"], ["Entwurfe"]),
    ],
)
def test_what_a_pattern_fits(pattern: str, fits: list[str], fits_not: list[str]) -> None:
    """Plain paths include subfolders, `/.` does not, and regular expressions search the whole path."""
    parsed = FolderPattern.parse(pattern)

    assert [path for path in fits if not parsed.matches(path)] == []
    assert [path for path in fits_not if parsed.matches(path)] == []


@given(PATHS, PATHS)
def test_a_plain_path_matches_itself_and_its_subfolders(path: list[str], below: list[str]) -> None:
    """No character has a special meaning in a plain pattern."""
    text = "/".join(path)
    if text.startswith(("||", "|i|")) or text.endswith("/."):
        return
    pattern = FolderPattern.parse(text)

    assert pattern.matches(text)
    assert pattern.matches("/".join([*path, *below]))
    assert not pattern.matches(f"{text}x")
    assert not pattern.matches("/".join(["x", *path]))


@pytest.mark.parametrize("text", ["", "/", "||", "|i|", "||(", "|i|[a"])
def test_invalid_patterns(text: str) -> None:
    """An empty pattern or invalid regular expression is refused on input, not only when mail is archived."""
    with pytest.raises(Misconfigured):
        FolderPattern.parse(text)


def test_a_pattern_that_backtracks_times_out() -> None:
    """A regular expression with catastrophic backtracking must not block a worker."""
    pattern = FolderPattern.parse(r"||^(a|aa|b?a)+$")
    began = time.process_time()
    with pytest.raises(Misconfigured, match="takes too long"):
        pattern.matches("a" * 5000 + "!")

    assert time.process_time() - began < 10
