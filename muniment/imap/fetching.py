"""Fetching: messages of one UID FETCH after the other, each handed on as soon as it is complete."""

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

_PROBES = 5  # other messages that are asked for when everything is refused


async def fetch_messages(
    protocol: ImapProtocol, uids: Sequence[int], limits: Limits
) -> AsyncGenerator[FetchedMessage, None]:
    """Yield the messages among `uids`, in the server's order; those that are gone do not come.

    When the server refuses a set, what did not come is asked for one by one, and only what is
    refused then is yielded without bytes: one message that the server cannot read stops no other.
    Leaving the iterator early ends the connection.
    """
    for uid_set, members in uid_sets(sorted(set(uids))):
        stream = FetchStream(protocol, set(members), limits)
        async with aclosing(stream.messages(uid_set)) as messages:
            async for message in messages:
                yield message
        if is_throttle(stream.status):
            raise command_error(stream.status, "UID FETCH", protocol.peer)
        if not stream.status.ok:
            came = len(members) > len(stream.missing)
            async with aclosing(_one_by_one(protocol, sorted(stream.missing), limits, came=came)) as messages:
                async for message in messages:
                    yield message


async def _one_by_one(
    protocol: ImapProtocol, uids: Sequence[int], limits: Limits, *, came: bool
) -> AsyncGenerator[FetchedMessage, None]:
    """Yield each message, or its refusal once it is certain that it is about this message and no outage.

    Certain is what the server has delivered something after. `came`: whether others of the set were delivered.
    """
    refusals: dict[int, Status] = {}
    for uid in uids:
        stream = FetchStream(protocol, {uid}, limits)
        async with aclosing(stream.messages(str(uid))) as messages:
            async for message in messages:
                for refused in _refused(refusals):
                    yield refused
                refusals = {}
                came = True
                yield message
        status = stream.status
        if is_throttle(status):
            raise command_error(status, "UID FETCH", protocol.peer)
        if stream.missing and not status.ok and status.code != "EXPUNGEISSUED":  # RFC 5530: it is gone
            refusals[uid] = status
    doubtful = [status for status in refusals.values() if is_outage(status)]
    if not came and len(refusals) == len(uids) > 1:
        doubtful += refusals.values()
    if doubtful and not await _delivers_others(protocol, refusals.keys()):
        raise command_error(doubtful[0], "UID FETCH", protocol.peer)
    for refused in _refused(refusals):
        yield refused


def _refused(refusals: Mapping[int, Status]) -> Iterator[FetchedMessage]:
    for uid, status in refusals.items():
        yield FetchedMessage(uid, (), None, None, f"the server refused to deliver it: {status}")


async def _delivers_others(protocol: ImapProtocol, refused: Container[int]) -> bool:
    """Tell whether the server gives a byte of a message of the open folder that is not among the refused.

    Then it works, and it is the refused ones that it cannot read. They may well be all that was asked
    for: a run asks again for what the one before did not get.
    """
    others: set[int] = set()

    def take(keyword: bytes, parts: list[Part]) -> bool:
        before = len(others)
        if keyword == b"FETCH":
            others.update(uid for uid in _given(parts) if uid not in refused)
        return len(others) > before

    for number in _spread(protocol.exists):
        words = [b"%d" % number, b"(UID BODY.PEEK[]<0.1>)"]
        status = await protocol.run("FETCH", words, on_data=take)
        if is_throttle(status):
            raise command_error(status, "FETCH", protocol.peer)
        if others:
            break
    return bool(others)


def _given(parts: list[Part]) -> Iterator[int]:
    """Yield the UID of the message of which a FETCH response holds a part."""
    items = fetch_items(parts)
    if b"UID" in items and any(name.startswith(b"BODY[]") and body is not None for name, body in items.items()):
        yield tokens.number(items[b"UID"])


def _spread(count: int) -> list[int]:
    """Return up to `_PROBES` message numbers of a folder with `count` messages, evenly spread."""
    return sorted({1 + step * (count - 1) // (_PROBES - 1) for step in range(_PROBES)}) if count else []
