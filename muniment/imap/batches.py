"""Batches: which UIDs go into one FETCH, and how to write them as a sequence set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from muniment.mailserver.limits import Limits

# Servers refuse long command lines (RFC 2683 §3.2.1.5 asks clients to stay below 8000 octets);
# the difference leaves room for the tag and the items.
MAX_SET_CHARS = 7600
_UNKNOWN_SHARE = 16  # a message of unknown size counts as 1/16 of a batch


def batches(uids: Iterable[int], sizes: Mapping[int, int], limits: Limits) -> Iterator[list[int]]:
    """Split `uids`, in order, into batches of at most `batch_messages` and `batch_bytes`.

    A message larger than `batch_bytes` is a batch of its own. A UID without an entry in
    `sizes` (bytes) counts as a sixteenth of a batch.
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
    """Return the size in bytes to assume for a message of unknown size."""
    return max(1, limits.batch_bytes // _UNKNOWN_SHARE)


def uid_sets(uids: Sequence[int], max_chars: int = MAX_SET_CHARS) -> Iterator[tuple[str, list[int]]]:
    """Yield (sequence set, its UIDs) for ascending distinct `uids`; no set is longer than `max_chars`.

    Only consecutive UIDs become a range, so a set never includes a UID that is not in `uids`.
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
