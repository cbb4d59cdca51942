"""Parses a FETCH response into a message: its UID, flags, date and bytes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

from muniment.imap import tokens
from muniment.imap.internaldate import parse_internaldate
from muniment.imap.tokens import Part, String, Value
from muniment.imap.uids import fetch_items
from muniment.mailserver.spool import Discarded, SpooledMessage
from muniment.model.flags import lasting
from muniment.model.message import FetchedMessage, MemoryMessage

# Dovecot and most other servers answer in the order of our items, so one match replaces twenty tokens.
# Everything else takes the general path, with the same result. So do extremely long flag lists: the bound
# keeps them out of the cache.
_USUAL = re.compile(
    rb"\* \d{1,10} FETCH \(UID (\d{1,10}) FLAGS \(([^()\"]{0,1024}+)\)"
    rb' INTERNALDATE "([^"\\]*)" RFC822\.SIZE (\d{1,19}) BODY\[\] '
)


_USUAL_FLAGS = re.compile(
    rb"\* \d{1,10} FETCH \(UID (\d{1,10}) FLAGS \(([^()\"]{0,1024}+)\)(?: MODSEQ \(\d{1,20}\))?\)"
)


@dataclass(frozen=True, slots=True)
class Fetched:
    """The items of a FETCH response; None for an item that it does not contain.

    `claimed_size` is RFC822.SIZE. `body` is valid only with `has_body`: a NIL body is None, too.
    """

    uid: int
    flags: tuple[str, ...] | None
    date: bytes | None
    claimed_size: int | None
    body: Value
    has_body: bool = True

    def completed(self, earlier: Fetched) -> Fetched:
        """Return a copy with missing items taken from an earlier response for the same message."""
        return replace(
            self,
            flags=earlier.flags if self.flags is None else self.flags,
            date=earlier.date if self.date is None else self.date,
            claimed_size=earlier.claimed_size if self.claimed_size is None else self.claimed_size,
        )

    @property
    def received(self) -> datetime | None:
        """INTERNALDATE in UTC; None if it is missing or invalid."""
        return parse_internaldate(self.date or b"")

    def message(self, max_message_bytes: int) -> FetchedMessage:
        """Return the message, or the reason why it has no bytes."""
        raw, reason = self._raw(max_message_bytes)
        return FetchedMessage(self.uid, self.flags or (), self.received, raw, reason, self.claimed_size)

    def _raw(self, max_message_bytes: int) -> tuple[MemoryMessage | SpooledMessage | None, str]:
        body = MemoryMessage(bytes(self.body)) if isinstance(self.body, String) else self.body
        if isinstance(body, Discarded):
            return None, f"the message has {body.size} bytes, more than the {max_message_bytes} allowed"
        if not isinstance(body, MemoryMessage | SpooledMessage):
            kind = "NIL" if body is None else "not a string"
            return None, f"the server sent no content ({kind}) for this message"
        if not body.size and self.claimed_size:
            return None, f"the server sent 0 of the {self.claimed_size} bytes of this message"
        return body, ""


def read_fetch(parts: list[Part]) -> Fetched | None:
    """Return the items of a FETCH response; None if it has no UID."""
    first = parts[0]
    if len(parts) == 3 and parts[2] == b")" and isinstance(first, bytes):
        usual = _USUAL.fullmatch(first)
        if usual is not None:
            uid, flags, date, size = usual.groups()
            return Fetched(int(uid), _split_flags(flags), date, int(size), parts[1])
    items = fetch_items(parts)
    if b"UID" not in items:
        return None
    flag_values, date_value, size_value = (items.get(name) for name in (b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE"))
    return Fetched(
        tokens.number(items[b"UID"]),
        _flags(flag_values) if isinstance(flag_values, list) else None,
        date_value if isinstance(date_value, bytes) else None,
        tokens.number(size_value, tokens.MAX_CLAIM) if size_value is not None else None,
        items.get(b"BODY[]"),
        has_body=b"BODY[]" in items,
    )


def read_flags(parts: list[Part]) -> tuple[int, tuple[str, ...]] | None:
    """Return UID and flags of a FETCH response; None if one of them is missing."""
    usual = _USUAL_FLAGS.fullmatch(parts[0]) if len(parts) == 1 and isinstance(parts[0], bytes) else None
    if usual is not None:
        return int(usual[1]), _split_flags(usual[2])
    fetched = read_fetch(parts)
    return None if fetched is None or fetched.flags is None else (fetched.uid, fetched.flags)


@lru_cache(maxsize=256)
def _split_flags(text: bytes) -> tuple[str, ...]:
    return _flags([flag for flag in text.split(b" ") if flag])


def _flags(values: Sequence[Value]) -> tuple[str, ...]:
    """Return the flags as text, without `\\Recent` and those that contain control characters.

    These are not valid flags (RFC 3501 §9), and PostgreSQL cannot store NUL.
    """
    flags = (flag.decode("utf-8", "replace") for flag in values if isinstance(flag, bytes))
    return lasting(flag for flag in flags if not any(unicodedata.category(c) == "Cc" for c in flag))
