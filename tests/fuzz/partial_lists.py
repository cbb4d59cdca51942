"""Servers that show a part of a mailbox in each POP3 session, and the decisions of the client, without a connection.

The judge knows the whole mailbox: the client ends, it never forgets a message that it saw, and if anything was hidden
from it that an earlier session had shown, it does not call the list whole.
"""

from __future__ import annotations

from collections import Counter

from muniment.pop3.listings import CONTRADICTED, UNCONFIRMED, Listings
from tests.fuzz.choices import Choices
from tests.fuzz.virtual import Finding

_MOST_SESSIONS = 400


class _Mailbox:
    """A mailbox, and what the server does with messages that were read."""

    def __init__(self, c: Choices) -> None:
        self._c = c
        self._cap = c.pick([1000, 1000, 1, 3, 7])
        self._hides = c.pick(["nothing", "nothing", "read", "some"])
        self._at_random = c.chance(64)
        self._arrivals = c.below(4)
        self.messages = list(range(1, 1 + c.below(24)))
        self.hidden: set[int] = set()

    @property
    def is_whole(self) -> bool:
        """Whether each session shows everything."""
        return self._hides == "nothing" and not self._at_random and self._cap > len(self.messages)

    def shown(self) -> list[int]:
        """Return what a session lists."""
        if self._arrivals and self._c.chance(64):
            self._arrivals -= 1
            self.messages.append(len(self.messages) + 1)
        shown = [uid for uid in self.messages if uid not in self.hidden]
        if self._at_random:
            shown = [uid for uid in shown if self._c.chance(128)]
        return shown[: self._cap]

    def end(self, read: set[int]) -> None:
        """End a session in which these messages were read."""
        if self._hides == "read":
            self.hidden |= read
        elif self._hides == "some":
            self.hidden |= {uid for uid in read if self._c.chance(128)}


def visit(c: Choices, endings: Counter[str]) -> None:
    """Read a mailbox as the archive does, and judge the result."""
    mailbox, listings = _Mailbox(c), Listings()
    archived: set[int] = set()
    first = set(mailbox.messages)
    before = c.pick(["", "", CONTRADICTED, UNCONFIRMED])
    quiet, sessions, contradicted = -1, 0, False
    while quiet < listings.enough(before):
        sessions += 1
        if sessions > _MOST_SESSIONS:
            raise Finding(f"the client opened {sessions} sessions for {len(mailbox.messages)} messages")
        listed = set(mailbox.shown())
        contradicted = contradicted or bool(archived - listed)
        listings.add(listed)
        listings.recognise(archived)
        new = listings.known - archived
        archived |= new
        mailbox.end(new)
        quiet = 0 if new else max(quiet, 0) + 1
    doubt = listings.doubt(before)
    if listings.known != archived:
        raise Finding(f"the client knows {listings.known} and archived {archived}")
    if contradicted and not doubt:
        raise Finding("messages that a session listed were hidden in another, and the client calls the list whole")
    if mailbox.is_whole and doubt and not before:
        raise Finding(f"a list that is whole is doubted: {doubt}")
    if mailbox.is_whole and not first <= archived:
        raise Finding(f"of {first}, only {archived} are archived")
    if not mailbox.is_whole and mailbox.hidden and not doubt:
        raise Finding(f"{len(mailbox.hidden)} messages are hidden, and the client calls the list whole")
    endings["doubtful" if doubt else "whole"] += 1
