"""Fetches flags, of all messages or of those changed after a mod-sequence (RFC 7162 §3.1.4.1)."""

from __future__ import annotations

from muniment.errors import ProtocolViolation
from muniment.imap.fetched import read_flags
from muniment.imap.protocol import ImapProtocol
from muniment.imap.refusal import message_error
from muniment.imap.tokens import Part

#: Messages that may arrive while a folder is open, beyond those that the server counts.
_SLACK = 1000
_MAX_CHARACTERS = 16 * 1024 * 1024


async def fetch_flags(
    protocol: ImapProtocol, first: int, last: int | None, since: int | None
) -> dict[int, tuple[str, ...]]:
    """Return the flags of the messages with UIDs from `first` to `last` (None: to the end), by UID.

    `since`: only of those changed after this mod-sequence. A server that ignores it returns more, which is true as
    well. Raises ProtocolViolation if the server reports more messages than it can have.
    """
    found: dict[int, tuple[str, ...]] = {}
    characters = 0

    def take(keyword: bytes, parts: list[Part]) -> bool:
        nonlocal characters
        told = read_flags(parts) if keyword == b"FETCH" else None
        if told is None or told[0] < first or (last is not None and told[0] > last):
            return False
        uid, flags = told
        characters += 0 if uid in found else sum(map(len, flags))
        found[uid] = flags
        if len(found) > protocol.exists + _SLACK or characters > _MAX_CHARACTERS:
            raise ProtocolViolation("the server reports flags of more messages than the folder holds")
        return True

    words = [b"%d:%b" % (first, b"*" if last is None else b"%d" % last), b"(FLAGS)"]
    if since is not None:
        words.append(b"(CHANGEDSINCE %d)" % since)
    status = await protocol.run("FETCH", words, uid=True, on_data=take)
    # RFC 2180 §4.1: another client expunged some messages; all others have arrived.
    if not status.ok and status.code != "EXPUNGEISSUED":
        raise message_error(status, "UID FETCH of flags", protocol.peer)
    return found
