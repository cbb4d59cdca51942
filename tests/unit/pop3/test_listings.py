"""What the lists of several POP3 sessions tell together."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from muniment.pop3.listings import Listings

#: The lists of one visit → whether they may be a part, and how many quiet sessions are enough.
VISITS: dict[str, tuple[Sequence[set[int]], bool, int]] = {
    "one list": ([{1, 2}], False, 1),
    "the same again": ([{1, 2}, {1, 2}], False, 1),
    "new mail in between": ([{1, 2}, {1, 2, 3}], False, 1),
    "empty": ([set()], False, 1),
    "empty and then new mail": ([set(), {1}], False, 1),
    "hidden": ([{1, 2}, {3, 4}, set()], True, 1),
    "one hidden": ([{1, 2}, {2}], True, 2),
    "at random": ([{1, 2}, {2, 3}, {1, 3}], True, 6),
    "an old one comes back": ([{1, 5}, {1, 3, 5}], True, 6),
}


@pytest.mark.parametrize("visit", VISITS)
def test_lists(visit: str) -> None:
    """Contradictions raise a doubt; messages that come back need more sessions than those that stay away."""
    lists, is_doubtful, enough = VISITS[visit]
    listings = Listings()
    for listed in lists:
        listings.add(listed)

    assert bool(listings.doubt(before=False)) is is_doubtful
    assert listings.enough(before=False) == enough
    assert listings.known == set().union(*lists)


def test_an_earlier_doubt() -> None:
    """Only two lists that agree refute an earlier doubt; an empty list refutes nothing."""
    listings = Listings()
    listings.add({1, 2})
    assert listings.doubt(before=True)
    assert listings.enough(before=True) == 2
    listings.add({1, 2})
    assert not listings.doubt(before=True)

    empty = Listings()
    empty.add(set())
    empty.add(set())
    assert empty.doubt(before=True)


def test_deleted_messages_are_not_missed() -> None:
    """What the server deleted as it was told to contradicts nothing, and others in its place are news."""
    listings = Listings()
    listings.add({1, 2})
    listings.deleted([1, 2])
    listings.add({3, 4})

    assert not listings.doubt(before=False)
    assert listings.shows_more


def test_announcements() -> None:
    """A server that says that messages expire, or changes their ids, is always doubtful."""
    expiring, changing = Listings(), Listings()
    expiring.expires = changing.ids_change = True
    for listings in (expiring, changing):
        listings.add({1})
        listings.add({1})

    assert "EXPIRE 0" in expiring.doubt(before=False)
    assert "ids" in changing.doubt(before=False)
