"""What the lists of several POP3 sessions tell together."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from muniment.pop3.listings import CONTRADICTED, UNCONFIRMED, Listings

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

    assert bool(listings.doubt("")) is is_doubtful
    assert listings.enough("") == enough
    assert listings.known == set().union(*lists)


def test_an_earlier_doubt() -> None:
    """Two lists that agree refute a contradiction, if they show what was read; an empty list refutes nothing."""
    listings = Listings()
    listings.add({1, 2})
    listings.recognise({1})
    assert listings.doubt(CONTRADICTED)
    assert listings.enough(CONTRADICTED) == 2
    listings.add({1, 2})
    listings.recognise({1, 2})
    assert not listings.doubt(CONTRADICTED)

    empty = Listings()
    for _ in range(2):
        empty.add(set())
        empty.recognise({1})
    assert empty.doubt(CONTRADICTED)


def test_a_list_that_was_not_confirmed() -> None:
    """The next visit confirms it with one list, if that shows what was read."""
    hiding, ordinary = Listings(), Listings()
    hiding.add({3})
    hiding.recognise({1, 2})
    ordinary.add({1, 2})
    ordinary.recognise({1, 2})

    assert (hiding.doubt(UNCONFIRMED), hiding.enough(UNCONFIRMED)) == (UNCONFIRMED, 2)
    assert (ordinary.doubt(UNCONFIRMED), ordinary.enough(UNCONFIRMED)) == ("", 1)


def test_deleted_messages_are_not_missed() -> None:
    """What the server deleted as it was told to contradicts nothing, and others in its place are news."""
    listings = Listings()
    listings.add({1, 2})
    listings.deleted([1, 2])
    listings.add({3, 4})

    assert not listings.doubt("")
    assert listings.shows_more


def test_announcements() -> None:
    """A server that says that messages expire, or changes their ids, is always doubtful."""
    expiring, changing = Listings(), Listings()
    expiring.expires = changing.ids_change = True
    for listings in (expiring, changing):
        listings.add({1})
        listings.add({1})

    assert "EXPIRE 0" in expiring.doubt("")
    assert "ids" in changing.doubt("")
