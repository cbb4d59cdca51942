"""How often a folder is compared whose STATUS stands still."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from muniment.model.comparison import ComparisonInterval
from muniment.model.folder import FolderState, FolderStatus

_SEEN = datetime(2026, 1, 1, 2, 0, tzinfo=UTC)
_DAILY = ComparisonInterval(hours=24.0, messages=1000)


def _state(id_: int = 1, *, messages: int = 10, seen: datetime = _SEEN) -> FolderState:
    return FolderState(
        id=id_,
        wire_name=b"INBOX",
        path=("INBOX",),
        uidvalidity=7,
        last_uid=10,
        status=FolderStatus(7, 11, messages, None),
        renumbered=False,
        proven_run=1,
        complete=True,
        quarantined=0,
        refusal="",
        proven=seen,
        flags_seen=seen,
    )


def _due(hours: float, folders: range, *, messages: int = 10) -> int:
    return sum(_DAILY.is_due(_state(n, messages=messages), _SEEN + timedelta(hours=hours)) for n in folders)


def test_every_folder_is_compared_once_a_day() -> None:
    """Also if a run begins two hours earlier than the one of the day before; no folder twice within half a day."""
    folders = range(1, 2001)

    assert _due(22, folders) == len(folders)
    assert _due(11.9, folders) == 0


def test_folders_that_were_compared_together_come_apart() -> None:
    """The folders of a big fleet are spread evenly over the hours; consecutive ids do not come together."""
    per_hour = [_due(hour + 1, range(1, 1001)) - _due(hour, range(1, 1001)) for hour in range(12, 21)]

    assert all(95 <= count <= 115 for count in per_hour), per_hour
    assert 4 <= _due(16.8, range(501, 511)) <= 6


@pytest.mark.parametrize(
    ("messages", "stretch"), [(None, 1), (0, 1), (1000, 1), (1001, 2), (2500, 3), (6001, 7), (10**7, 7)]
)
def test_a_large_folder_waits_longer(messages: int | None, stretch: int) -> None:
    """Once more as long for each further 1,000 messages, up to a week."""
    assert _DAILY.stretch(messages) == stretch


def test_a_large_folder_is_due_in_its_own_time() -> None:
    assert _due(3 * 24 * 0.49, range(1, 101), messages=2500) == 0
    assert _due(3 * 24 * 0.91, range(1, 101), messages=2500) == 100


def test_the_older_of_the_two_comparisons_counts() -> None:
    """Without CONDSTORE, a visit of a folder that moved compares UIDs and no flags: these are due on their own."""
    now = _SEEN + timedelta(hours=23)
    visited = replace(_state(), proven=now)

    assert _DAILY.is_due(visited, now + timedelta(minutes=1))
    assert _DAILY.is_due(replace(visited, flags_seen=None), now + timedelta(minutes=1))
    assert not _DAILY.is_due(replace(visited, flags_seen=now), now + timedelta(minutes=1))


def test_a_comparison_in_the_future_proves_nothing() -> None:
    """Somebody put the clock of the database back."""
    assert _DAILY.is_due(_state(seen=_SEEN + timedelta(minutes=1)), _SEEN)
