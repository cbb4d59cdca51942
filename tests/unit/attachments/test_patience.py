from __future__ import annotations

from muniment.attachments import Patience
from muniment.attachments.limits import FIRST_SECONDS
from muniment.attachments.patience import ALLOWANCE_SECONDS


def test_an_archive_has_an_allowance_that_grows_back() -> None:
    """Slow messages use an archive's allowance up; other archives keep theirs, and time gives it back."""
    now = 1000.0
    patience = Patience(lambda: now)
    patience.spent([1, 2], ALLOWANCE_SECONDS + 1)
    used_up, others = patience.seconds([2]), patience.seconds([3])
    shared = patience.seconds([3, 1])
    now += 60.0

    assert (used_up, shared, others) == (0.0, 0.0, FIRST_SECONDS)
    assert patience.seconds([1]) == FIRST_SECONDS


def test_what_is_owed_is_forgotten() -> None:
    """Archives that owe nothing any more take no memory."""
    now = 0.0
    patience = Patience(lambda: now)
    for archive in range(20_010):
        now += 100.0
        patience.spent([archive], 1.0)

    assert len(patience._owed) < 10_010
