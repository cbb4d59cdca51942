"""Fetches message attributes without bodies: sizes, flags, dates and some header fields."""

from __future__ import annotations

from collections.abc import Sequence

from muniment.imap import tokens
from muniment.imap.batches import uid_sets
from muniment.imap.fetched import read_fetch
from muniment.imap.protocol import ImapProtocol
from muniment.imap.refusal import message_error
from muniment.imap.tokens import Part
from muniment.imap.uids import fetch_items
from muniment.mailserver.attributes import Attributes

_FIELDS = b"BODY.PEEK[HEADER.FIELDS (FROM SENDER TO CC BCC SUBJECT)]"


async def fetch_sizes(protocol: ImapProtocol, uids: Sequence[int]) -> dict[int, int]:
    """Return RFC822.SIZE in bytes by UID; an expunged message has no entry."""
    sizes: dict[int, int] = {}
    wanted = set(uids)

    def take(keyword: bytes, parts: list[Part]) -> bool:
        before = len(sizes)
        if keyword == b"FETCH":
            items = fetch_items(parts)
            if b"UID" in items and b"RFC822.SIZE" in items:
                uid = tokens.number(items[b"UID"])
                if uid in wanted:
                    sizes[uid] = tokens.number(items[b"RFC822.SIZE"], tokens.MAX_CLAIM)
        return len(sizes) > before

    for uid_set, _ in uid_sets(sorted(wanted)):
        words = [uid_set.encode(), b"(RFC822.SIZE)"]
        status = await protocol.run("FETCH", words, uid=True, on_data=take)
        if not status.ok:
            raise message_error(status, "UID FETCH of sizes", protocol.peer)
    return sizes


async def fetch_labels(protocol: ImapProtocol, uids: Sequence[int]) -> dict[int, Sequence[bytes]]:
    """Return the labels of these messages by UID (X-GM-EXT-1)."""
    labels: dict[int, Sequence[bytes]] = {}
    wanted = set(uids)

    def take(keyword: bytes, parts: list[Part]) -> bool:
        items = fetch_items(parts) if keyword == b"FETCH" else {}
        told = items.get(b"X-GM-LABELS")
        if b"UID" not in items or not isinstance(told, list) or (uid := tokens.number(items[b"UID"])) not in wanted:
            return False
        before = len(labels)
        labels[uid] = [label for label in told if isinstance(label, bytes)]
        return len(labels) > before

    for uid_set, _ in uid_sets(sorted(wanted)):
        status = await protocol.run("FETCH", [uid_set.encode(), b"(UID X-GM-LABELS)"], uid=True, on_data=take)
        if not status.ok:
            raise message_error(status, "UID FETCH of labels", protocol.peer)
    return labels


async def fetch_attributes(protocol: ImapProtocol, uids: Sequence[int], *, with_head: bool) -> dict[int, Attributes]:
    """Return the attributes of these messages by UID; an expunged or refused message has no entry.

    `with_head`: also the sender, recipients and subject.
    """
    attributes: dict[int, Attributes] = {}
    wanted = set(uids)
    items = b"(UID FLAGS INTERNALDATE RFC822.SIZE%b)" % (b" " + _FIELDS if with_head else b"")

    def take(keyword: bytes, parts: list[Part]) -> bool:
        fetched = read_fetch(parts) if keyword == b"FETCH" else None
        if fetched is None or fetched.uid not in wanted or fetched.claimed_size is None:
            return False  # unsolicited: another client changed flags
        before = len(attributes)
        attributes[fetched.uid] = Attributes(
            fetched.flags, fetched.received, fetched.claimed_size, _head(parts) if with_head else None
        )
        return len(attributes) > before

    for uid_set, members in uid_sets(sorted(wanted)):
        status = await protocol.run("FETCH", [uid_set.encode(), items], uid=True, on_data=take)
        if not status.ok and not any(uid in attributes for uid in members):
            raise message_error(status, "UID FETCH of flags and dates", protocol.peer)
    return attributes


async def fetch_heads(protocol: ImapProtocol, uids: Sequence[int]) -> dict[int, bytes]:
    """Return the complete header by UID, as the server sends it; a message that does not arrive has no entry."""
    heads: dict[int, bytes] = {}
    wanted = set(uids)

    def take(keyword: bytes, parts: list[Part]) -> bool:
        items = fetch_items(parts) if keyword == b"FETCH" else {}
        head = items.get(b"BODY[HEADER]")
        if b"UID" not in items or not isinstance(head, bytes) or (uid := tokens.number(items[b"UID"])) not in wanted:
            return False
        before = len(heads)
        heads[uid] = head
        return len(heads) > before

    for uid_set, members in uid_sets(sorted(wanted)):
        status = await protocol.run("FETCH", [uid_set.encode(), b"(UID BODY.PEEK[HEADER])"], uid=True, on_data=take)
        if not status.ok and not any(uid in heads for uid in members):
            raise message_error(status, "UID FETCH of headers", protocol.peer)
    return heads


def _head(parts: list[Part]) -> bytes | None:
    for name, value in fetch_items(parts).items():
        if name.startswith(b"BODY[HEADER") and isinstance(value, bytes):
            return value
    return None
