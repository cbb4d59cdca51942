"""The senders and recipients of a message according to its header."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from muniment.mail.addresses import MAX_ADDRESSES, addresses_in
from muniment.mail.headers import header_block
from muniment.model.multidrop import RECEIVED

#: Fields whose addresses everybody who has the message can find.
SHOWN_FIELDS = (
    *("To", "Cc", "Bcc", "Resent-To", "Resent-Cc", "Resent-Bcc", "Delivered-To", "X-Original-To", "X-Envelope-To"),
    "Envelope-To",
)
_FOR = re.compile(rb"\bfor\s+<?([^\s<>;()]+@[^\s<>;()]+)>?", re.IGNORECASE)


@dataclass(frozen=True)
class Envelope:
    """Normalised addresses without duplicates; `hidden`: recipients that the header of the message does not show."""

    senders: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()

    def joined(self, other: Envelope) -> Envelope:
        """Return the union of both envelopes."""
        return Envelope(
            _once((*self.senders, *other.senders)),
            _once((*self.recipients, *other.recipients)),
            _once((*self.hidden, *other.hidden)),
        )

    def seen_beside(self, head: bytes) -> Envelope:
        """Return the envelope, with the recipients as hidden that the header in a message's first bytes lacks."""
        shown = set(_addresses(header_block(head), SHOWN_FIELDS))
        return replace(self, hidden=tuple(address for address in self.recipients if address not in shown))


def read_envelope(head: bytes, *, senders: Sequence[str], recipients: Sequence[str]) -> Envelope:
    """Return the addresses in the given fields of a message's first bytes; never raises.

    `Received` in `recipients` means the `for` clause of the topmost Received field, which servers write if there is a
    single recipient.
    """
    block = header_block(head)
    named = tuple(name for name in recipients if name.lower() != RECEIVED.lower())
    found = _addresses(block, named)
    if len(named) < len(recipients):
        topmost = field_values(block, (RECEIVED,))[:1]
        found += [one for value in topmost for match in _FOR.findall(value) for one in addresses_in(_text(match))]
    return Envelope(_once(_addresses(block, tuple(senders))), _once(found))


def owner_by_path(path: Sequence[str]) -> Envelope:
    """Return the owner of a folder in IceWarp's archive directory: `<domain>/<account>/[Inbox|Sent]/<month>`."""
    if len(path) < 2 or "." not in path[0]:
        return Envelope()
    owner = (f"{path[1]}@{path[0]}".lower(),)
    return Envelope(senders=owner) if len(path) > 2 and path[2].lower() == "sent" else Envelope(recipients=owner)


def field_values(block: bytes, names: tuple[str, ...]) -> list[bytes]:
    """Return the values of all fields with these (case-insensitive) names, in the order of the header."""
    return [value for _, value in _pattern(names).findall(block)] if names else []


def _addresses(block: bytes, names: tuple[str, ...]) -> list[str]:
    return [one for value in field_values(block, names) for one in addresses_in(_text(value))]


@lru_cache(maxsize=64)
def _pattern(names: tuple[str, ...]) -> re.Pattern[bytes]:
    alternatives = b"|".join(re.escape(name.encode()) for name in names)
    return re.compile(rb"\n(" + alternatives + rb")[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)", re.IGNORECASE)


def _text(value: bytes) -> str:
    """Return a field's value as text; addresses never contain encoded words, and unfolding cannot split one."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _once(addresses: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(addresses))[:MAX_ADDRESSES]
