"""Fetches messages with one UID FETCH after another and yields each message as soon as it is complete."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Container, Iterator, Mapping, Sequence
from contextlib import aclosing

from muniment.imap import tokens
from muniment.imap.batches import uid_sets
from muniment.imap.fetch_stream import FetchStream
from muniment.imap.protocol import ImapProtocol
from muniment.imap.refusal import Status, command_error, is_outage, is_throttle
from muniment.imap.tokens import Part
from muniment.imap.uids import fetch_items
from muniment.mailserver.limits import Limits
from muniment.model.message import FetchedMessage

_PROBES = 5  # other messages to fetch if every message is refused


async def fetch_messages(
    protocol: ImapProtocol, uids: Sequence[int], limits: Limits
) -> AsyncGenerator[FetchedMessage, None]:
    """Yield the messages in `uids`, in the server's order; skip expunged ones.

    If the server refuses a set, the missing messages are fetched one by one, and only those
    refused again are yielded without bytes: one message that the server cannot read does not block others.
    Exiting the iterator early closes the connection.
    """
    for uid_set, members in uid_sets(sorted(set(uids))):
        stream = FetchStream(protocol, set(members), limits)
        async with aclosing(stream.messages(uid_set)) as messages:
            async for message in messages:
                yield message
        if is_throttle(stream.status):
            raise command_error(stream.status, "UID FETCH", protocol.peer)
        if not stream.status.ok:
            works = len(members) > len(stream.missing)
            async with aclosing(_one_by_one(protocol, sorted(stream.missing), limits, works=works)) as messages:
                async for message in messages:
                    yield message


async def _one_by_one(
    protocol: ImapProtocol, uids: Sequence[int], limits: Limits, *, works: bool
) -> AsyncGenerator[FetchedMessage, None]:
    """Yield each message, or its refusal once it is clear that the message is the cause and not an outage.

    A refusal is clear once the server delivers a later message. `works`: the server delivered others of the set.
    """
    refusals: dict[int, Status] = {}
    for uid in uids:
        stream = FetchStream(protocol, {uid}, limits)
        async with aclosing(stream.messages(str(uid))) as messages:
            async for message in messages:
                for refused in _refused(refusals):
                    yield refused
                refusals = {}
                works = True
                yield message
        status = stream.status
        if is_throttle(status):
            raise command_error(status, "UID FETCH", protocol.peer)
        if stream.missing and not status.ok and status.code != "EXPUNGEISSUED":  # RFC 5530: it was expunged
            refusals[uid] = status
    doubtful = [status for status in refusals.values() if is_outage(status)]
    if not works and len(refusals) == len(uids) > 1:
        doubtful += refusals.values()
    if doubtful and not await _delivers_others(protocol, refusals.keys()):
        raise command_error(doubtful[0], "UID FETCH", protocol.peer)
    for refused in _refused(refusals):
        yield refused


def _refused(refusals: Mapping[int, Status]) -> Iterator[FetchedMessage]:
    for uid, status in refusals.items():
        yield FetchedMessage(uid, (), None, None, f"the server refused to deliver it: {status}")


async def _delivers_others(protocol: ImapProtocol, refused: Container[int]) -> bool:
    """Return whether the server delivers a byte of any message in the open folder outside of `refused`.

    If so, the server works and cannot read the refused messages. Those may be the only ones that were
    requested: a run retries what the previous run did not get.
    """
    delivered: set[int] = set()

    def take(keyword: bytes, parts: list[Part]) -> bool:
        before = len(delivered)
        if keyword == b"FETCH":
            delivered.update(uid for uid in _uids_with_body(parts) if uid not in refused)
        return len(delivered) > before

    for number in _spread(protocol.exists):
        words = [b"%d" % number, b"(UID BODY.PEEK[]<0.1>)"]
        status = await protocol.run("FETCH", words, on_data=take)
        if is_throttle(status):
            raise command_error(status, "FETCH", protocol.peer)
        if delivered:
            break
    return bool(delivered)


def _uids_with_body(parts: list[Part]) -> Iterator[int]:
    """Yield the UID of a FETCH response that contains part of a body."""
    items = fetch_items(parts)
    if b"UID" in items and any(name.startswith(b"BODY[]") and body is not None for name, body in items.items()):
        yield tokens.number(items[b"UID"])


def _spread(count: int) -> list[int]:
    """Return up to `_PROBES` evenly spaced message numbers of a folder with `count` messages."""
    return sorted({1 + step * (count - 1) // (_PROBES - 1) for step in range(_PROBES)}) if count else []
