"""Searches the open folder for UIDs; complete even if the server truncates SEARCH results."""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from heapq import merge
from typing import TypeAlias

from muniment.imap.batches import uid_sets
from muniment.imap.protocol import ImapProtocol
from muniment.imap.refusal import command_error
from muniment.imap.uids import UidListing
from muniment.mailserver.budget import ListShare

_FROM_UID = re.compile(r"UID (\d{1,10}):\*", re.IGNORECASE)
_UID_SET = re.compile(r"UID (\d{1,10}(?::\d{1,10})?(?:,\d{1,10}(?::\d{1,10})?)*)", re.IGNORECASE)
_CAP = 1000  # Yahoo returns at most this many UIDs per SEARCH

#: Inclusive ranges of UIDs.
Ranges: TypeAlias = "list[tuple[int, int]]"


class UidSearch:
    """UID SEARCH on one connection; remembers whether the server truncates its results."""

    def __init__(self, protocol: ImapProtocol, share: ListShare | None = None) -> None:
        self._protocol = protocol
        self._share = share or ListShare(None)
        self._cap = 0  # UIDs in a truncated result; 0: none seen so far

    @property
    def cap(self) -> int:
        """How many UIDs a truncated result contained; 0 if no result was truncated so far."""
        return self._cap

    async def uids(self, criteria: str) -> array[int]:
        """Return the matching UIDs, ascending and distinct; see `ImapSession.search_uids`."""
        if criteria.upper() == "ALL":
            return await self._all()
        above = _FROM_UID.fullmatch(criteria)
        if above is not None:
            return await self._from(int(above[1]))
        named = _UID_SET.fullmatch(criteria)
        if named is not None:
            return array("Q", sorted(set(await self._among(_ranges(named[1])))))
        return await self._search(criteria)

    async def matching(self, uids: Sequence[int], keys: str) -> list[int]:
        """Return those of `uids` (ascending) that match `keys`; includes all of them if the result may be truncated."""
        if self._cap:
            return list(uids)
        kept: list[int] = []
        for uid_set, members in uid_sets(uids):
            result = await self._search(f"UID {uid_set} {keys}")
            if self._may_be_truncated(len(result)):
                kept += members
            else:
                kept += sorted(set(result).intersection(members))
        return kept

    async def _all(self) -> array[int]:
        uids = await self._search("ALL")
        if len(uids) == self._protocol.exists:
            return uids
        # Fewer: the result is truncated. More: it comes from an index that is behind, and may lack new messages, too.
        both = _union(uids, await self._list("1:*", by_uid=False))
        if len(both) > len(uids):  # otherwise, messages were expunged in the meantime
            self._cap = max(1, len(uids))
        return both

    async def _from(self, first: int) -> array[int]:
        uids = await self._search(f"UID {first}:*")
        if self._protocol.exists and (self._cap or _is_round(len(uids))):
            uids = _union(uids, await self._list(f"{first}:*", by_uid=True))
        return array("Q", (uid for uid in uids if uid >= first))

    async def _among(self, ranges: Ranges) -> array[int]:
        """Search for the given UIDs; repeat the search in halves if its result may be truncated.

        FETCH is no alternative: callers want to know whether the server still *lists* what FETCH did not deliver.
        """
        result = await self._search("UID " + ",".join(str(a) if a == b else f"{a}:{b}" for a, b in ranges))
        wanted = _count(ranges)
        if len(result) >= wanted or wanted == 1 or not self._may_be_truncated(len(result)):
            return result
        left, right = halves(ranges)
        return await self._among(left) + await self._among(right)

    def _may_be_truncated(self, count: int) -> bool:
        return _is_round(count) or (self._cap > 0 and count >= min(self._cap, _CAP // 2))

    async def _search(self, criteria: str) -> array[int]:
        listing = UidListing({b"SEARCH", b"ESEARCH"}, self._share.hold)
        words = [b"RETURN (ALL)"] if "ESEARCH" in self._protocol.capabilities else []
        status = await self._protocol.run("SEARCH", [*words, criteria.encode()], uid=True, on_data=listing.take)
        if not status.ok:
            raise command_error(status, "UID SEARCH", self._protocol.peer)
        return listing.sorted()

    async def _list(self, sequence_set: str, *, by_uid: bool) -> array[int]:
        listing = UidListing({b"FETCH"}, self._share.hold)
        words = [sequence_set.encode(), b"(UID)"]
        status = await self._protocol.run("FETCH", words, uid=by_uid, on_data=listing.take)
        # RFC 2180 §4.1: another client expunged some messages; all others have arrived.
        if not status.ok and status.code != "EXPUNGEISSUED":
            raise command_error(status, "FETCH of UIDs", self._protocol.peer)
        return listing.sorted()


def halves(ranges: Sequence[tuple[int, int]]) -> tuple[Ranges, Ranges]:
    """Split ranges of at least two UIDs into two halves; the second has one UID more if the count is odd."""
    left: Ranges = []
    room = _count(ranges) // 2
    for number, (first, last) in enumerate(ranges):
        size = last - first + 1
        if size > room:
            cut = [(first, first + room - 1)] if room else []
            return left + cut, [(first + room, last), *ranges[number + 1 :]]
        left.append((first, last))
        room -= size
    return left, []


def _union(searched: array[int], listed: array[int]) -> array[int]:
    """Return the union, ascending: a server that omits UIDs in one result may omit others in the second."""
    both = array("Q")
    for uid in merge(searched, listed):
        if not both or uid != both[-1]:
            both.append(uid)
    return both


def _ranges(text: str) -> Ranges:
    """Parse a sequence set of numbers; a range may be written in either order (RFC 3501 §9)."""
    ranges: Ranges = []
    for part in text.split(","):
        first, _, last = part.partition(":")
        low, high = sorted((int(first), int(last or first)))
        ranges.append((low, high))
    return ranges


def _count(ranges: Sequence[tuple[int, int]]) -> int:
    return sum(last - first + 1 for first, last in ranges)


def _is_round(count: int) -> bool:
    return count > 0 and count % _CAP == 0
