from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from muniment.imap import batches, uid_sets
from muniment.mailserver import Limits

LIMITS = Limits(batch_messages=3, batch_bytes=1600, spool_bytes=1, max_message_bytes=1, spool=Path("unused"))
UIDS = st.sets(st.integers(1, 2**32 - 1), max_size=300).map(sorted)


def test_cut_by_count() -> None:
    """No batch exceeds the message limit."""
    assert list(batches(range(1, 8), dict.fromkeys(range(1, 8), 1), LIMITS)) == [[1, 2, 3], [4, 5, 6], [7]]


def test_cut_by_bytes() -> None:
    """No batch exceeds the byte limit."""
    assert list(batches([1, 2, 3], {1: 1000, 2: 600, 3: 1}, LIMITS)) == [[1, 2], [3]]


def test_a_large_message_goes_alone() -> None:
    """A message above the byte limit is a batch of its own."""
    assert list(batches([1, 2, 3], {1: 1, 2: 9999, 3: 1}, LIMITS)) == [[1], [2], [3]]


def test_an_unknown_size_counts_as_a_sixteenth() -> None:
    """A message of unknown size counts as a fixed share of a batch."""
    assert list(batches([1, 2], {1: 1500}, LIMITS)) == [[1, 2]]
    assert list(batches([1, 2], {1: 1501}, LIMITS)) == [[1], [2]]


@given(UIDS, st.dictionaries(st.integers(1, 2**32 - 1), st.integers(0, 3000)))
def test_batches_lose_and_reorder_nothing(uids: list[int], sizes: dict[int, int]) -> None:
    """Every UID appears once, in order, within both limits."""
    cut = list(batches(uids, sizes, LIMITS))

    assert [uid for batch in cut for uid in batch] == uids
    assert all(len(b) <= 3 and (len(b) == 1 or sum(sizes.get(u, 100) for u in b) <= 1600) for b in cut)


def test_neighbours_become_ranges() -> None:
    """Only consecutive UIDs are joined; a gap is never included."""
    assert list(uid_sets([1, 2, 3, 7, 9, 10])) == [("1:3,7,9:10", [1, 2, 3, 7, 9, 10])]


def test_nothing_needs_no_command() -> None:
    """No UIDs produce no set."""
    assert list(uid_sets([])) == []


def test_sparse_uids_make_several_short_lines() -> None:
    """No set makes a command line longer than 8000 bytes, whatever the UIDs."""
    sets = list(uid_sets(range(1, 2 * 10**9, 400_000)))

    assert len(sets) > 5
    assert all(len(text) <= 7600 for text, _ in sets)


@given(UIDS, st.integers(21, 80))
def test_sets_name_exactly_the_uids(uids: list[int], max_chars: int) -> None:
    """Parsed back, the sets contain each UID once, ascending, and each set is within its limit."""
    named: list[int] = []
    for text, members in uid_sets(uids, max_chars):
        read = [uid for part in text.split(",") for uid in range(int(part.split(":")[0]), int(part.split(":")[-1]) + 1)]
        assert read == members
        assert len(text) <= max_chars
        named += read

    assert named == uids
    assert all(a < b for a, b in pairwise(named))
