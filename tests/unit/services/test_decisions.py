"""What services decide without asking anybody: which folders to visit, when a slice is over, what may be deleted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from muniment.db.runs import Pace
from muniment.model.folder import FolderState, FolderStatus
from muniment.services.archiving.batch import Target
from muniment.services.archiving.prove_folders import Visited
from muniment.services.deleting.choose_deletions import may_delete
from muniment.services.doctor.what_if import estimate_seconds
from muniment.services.mailboxes.open_mailbox import is_unmoved
from muniment.services.mailboxes.slice_budget import SliceBudget

_STATUS = FolderStatus(uidvalidity=7, uidnext=11, messages=10, highestmodseq=5)
_STATE = FolderState(
    id=1,
    wire_name=b"INBOX",
    path=("INBOX",),
    uidvalidity=7,
    last_uid=10,
    status=_STATUS,
    renumbered=False,
    proven_run=1,
    complete=True,
    quarantined=0,
    refusal="",
)


def test_a_folder_that_stands_as_it_was_proven_needs_no_visit() -> None:
    assert is_unmoved(_STATUS, _STATE)


@pytest.mark.parametrize("change", [{"uidnext": 12}, {"messages": 9}, {"uidvalidity": 8}, {"highestmodseq": 6}])
def test_a_folder_that_moved_is_visited(change: dict[str, Any]) -> None:
    """One number that changed since the proof is enough."""
    assert not is_unmoved(replace(_STATUS, **change), _STATE)


@pytest.mark.parametrize("now", [None, replace(_STATUS, uidnext=None), replace(_STATUS, messages=None)])
def test_a_folder_that_tells_too_little_is_visited(now: FolderStatus | None) -> None:
    """Without these numbers a change could not be seen, so that they are equal says nothing."""
    assert not is_unmoved(now, replace(_STATE, status=now))


@pytest.mark.parametrize("change", [{"complete": False}, {"quarantined": 1}, {"status": None}])
def test_a_folder_that_lacked_something_is_visited(change: dict[str, Any]) -> None:
    """The next run tries again what was missing."""
    assert not is_unmoved(_STATUS, replace(_STATE, **change))


@pytest.mark.parametrize(
    "change", [{"complete": False}, {"refusal": "NO"}, {"vanished": True}, {"uidvalidity": 0}, {"uidvalidity": -3}]
)
def test_deletion_needs_a_proof_and_lasting_uids(change: dict[str, Any]) -> None:
    """A UIDVALIDITY of our own (below 0) means that the server has none."""
    assert may_delete(_STATE)
    assert not may_delete(replace(_STATE, **change))


def test_a_folder_with_filtered_messages_is_visited_again() -> None:
    """A message that is too young today passes tomorrow: the basis lacks UIDNEXT, so the next run comes."""
    visited = Visited(Target(1, 7, renumbered=False), _STATUS, range(1, 11), 0)
    filtered = replace(visited, filtered=frozenset({3}))

    assert is_unmoved(_STATUS, replace(_STATE, status=visited.standing))
    assert not is_unmoved(_STATUS, replace(_STATE, status=filtered.standing))


def test_a_slice_ends_by_volume() -> None:
    budget = SliceBudget(size=100)
    budget.spend(99)
    assert not budget.is_over
    budget.spend(1)
    assert budget.is_over


def test_a_slice_ends_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 50.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    budget = SliceBudget(seconds=10)
    now = 59.9
    assert not budget.is_over
    now = 60.0
    assert budget.is_over


def test_a_slice_without_limits_is_never_over() -> None:
    budget = SliceBudget()
    budget.spend(10**15)
    assert not budget.is_over


@pytest.mark.parametrize(("messages", "size", "seconds"), [(100, 10, 10.0), (10, 10_000, 100.0), (0, 0, 0.0)])
def test_the_slower_of_messages_and_bytes_counts(messages: int, size: int, seconds: float) -> None:
    """At a pace of 100 messages and 1,000 bytes in 10 seconds."""
    assert estimate_seconds(Pace(100, 1000, 10.0), messages, size) == seconds


def test_without_a_pace_there_is_no_estimate() -> None:
    assert estimate_seconds(Pace(0, 0, 0.0), 1, 1) is None
