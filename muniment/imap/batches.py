"""Batches: which UIDs go into one FETCH, and how a set of UIDs is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from muniment.mailserver.limits import Limits

# Servers refuse long command lines (RFC 2683 §3.2.1.5 asks clients to stay below 8000 octets);
# what is left pays for the tag and the items.
MAX_SET_CHARS = 7600
_UNKNOWN_SHARE = 16  # a message of unknown size counts as this part of a batch


def batches(uids: Iterable[int], sizes: Mapping[int, int], limits: Limits) -> Iterator[list[int]]:
    """Cut `uids` in their order into batches of at most `batch_messages` and `batch_bytes`.

    A message larger than `batch_bytes` goes alone. A UID without an entry in `sizes` (bytes)
    counts as a sixteenth of a batch.
    """
    unknown = unknown_size(limits)
    batch: list[int] = []
    total = 0
    for uid in uids:
        size = sizes.get(uid, unknown)
        if batch and (len(batch) >= limits.batch_messages or total + size > limits.batch_bytes):
            yield batch
            batch, total = [], 0
        batch.append(uid)
        total += size
    if batch:
        yield batch


def unknown_size(limits: Limits) -> int:
    """Return what a message of unknown size is taken to have, in bytes."""
    return max(1, limits.batch_bytes // _UNKNOWN_SHARE)


def uid_sets(uids: Sequence[int], max_chars: int = MAX_SET_CHARS) -> Iterator[tuple[str, list[int]]]:
    """Yield (sequence set, its UIDs) for ascending distinct `uids`; no set is longer than `max_chars`.

    Only neighbours in the number line become a range, so a set never names a UID that was not listed.
    """
    texts: list[str] = []
    members: list[int] = []
    chars = 0
    for first, last in _ranges(uids):
        text = str(first) if first == last else f"{first}:{last}"
        if texts and chars + len(text) > max_chars:
            yield ",".join(texts), members
            texts, members, chars = [], [], 0
        texts.append(text)
        members.extend(range(first, last + 1))
        chars += len(text) + 1
    if texts:
        yield ",".join(texts), members


def _ranges(uids: Sequence[int]) -> Iterator[tuple[int, int]]:
    if not uids:
        return
    first = last = uids[0]
    for uid in uids[1:]:
        if uid != last + 1:
            yield first, last
            first = uid
        last = uid
    yield first, last
