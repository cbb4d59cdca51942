"""What the lists of several POP3 sessions tell together, without I/O.

A POP3 list says what a server shows now, and not what is in the mailbox. Gmail lists the oldest few hundred messages
that nobody has fetched yet, and hides each of them once it was fetched and QUIT was sent; others list up to a limit.
So a message that is not listed may still be there, and the next session may list others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

#: How many sessions in a row must list nothing new before there is probably nothing more: usually, if the lists
#: contradict each other, and if messages disappear and come back.
_ENOUGH, _ENOUGH_IN_DOUBT, _ENOUGH_AT_RANDOM = 1, 2, 6

UNCONFIRMED = "the next session has not confirmed the list yet"
EXPIRES = "it announces that it shows a message only until it was fetched (EXPIRE 0)"
CONTRADICTED = "messages that one session lists are missing in another"
CHANGING_IDS = "its ids for the messages change from session to session"


class Listings:
    """The lists of one visit. Messages are named by their UIDs.

    `known`: what any session listed, without what was deleted since. `current`: what the last one listed. `before`: the
    doubt at the end of the last visit.
    """

    def __init__(self) -> None:
        self.known: set[int] = set()
        self.current: frozenset[int] = frozenset()
        self.expires = False
        self.ids_change = False
        self.shows_more = False  # the last list showed messages that no earlier one did
        self._sessions = 0
        self._missed: set[int] = set()
        self._highest = 0  # in the first list; an unknown UID below it was archived before, and that list lacked it
        self._shows_read = False  # messages that an earlier session read

    def add(self, listed: Iterable[int]) -> None:
        """Take the list of the next session."""
        self.current = frozenset(listed)
        self.shows_more = self._sessions > 0 and not self.current <= self.known
        self._sessions += 1
        if self._sessions == 1:
            self._highest = max(self.current, default=0)
        else:
            self._missed |= self.known - self.current
            self._missed |= {uid for uid in self.current - self.known if uid < self._highest}
        self.known |= self.current

    def recognise(self, archived: Collection[int]) -> None:
        """Take the messages that earlier sessions read: a server that still lists some hides nothing that was read."""
        self._shows_read = not self.current.isdisjoint(archived)

    def deleted(self, uids: Iterable[int]) -> None:
        """Forget messages that the server deleted as it was told to."""
        self.known.difference_update(uids)

    def hides(self, before: str) -> bool:
        """Return whether the server probably hides what was read, and not others at random."""
        is_random = bool(self._missed & self.current)
        return not self.ids_change and not is_random and (self.expires or bool(self._missed) or before == CONTRADICTED)

    def enough(self, before: str) -> int:
        """Return how many sessions in a row must list nothing new."""
        if not self.current or self.ids_change:
            return _ENOUGH
        if self._missed & self.current:
            return _ENOUGH_AT_RANDOM
        return _ENOUGH_IN_DOUBT if self._missed or self._doubted(before) else _ENOUGH

    def doubt(self, before: str) -> str:
        """Return why the lists may be only a part of the mailbox; empty if nothing suggests that."""
        if self.ids_change:
            return CHANGING_IDS
        if self.expires:
            return EXPIRES
        if self._missed:
            return CONTRADICTED
        return self._doubted(before)

    def _doubted(self, before: str) -> str:
        """Return the earlier doubt, if it is not refuted: by two lists that agree, or by one if it is a weak one."""
        refuting = 1 if before == UNCONFIRMED else 2
        return "" if self._shows_read and self._sessions >= refuting else before
