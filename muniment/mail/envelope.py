"""For whom a message came and from whom, as its header says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from muniment.mail.addresses import MAX_ADDRESSES, addresses_in
from muniment.mail.headers import header_block
from muniment.model.multidrop import RECEIVED

_FOR = re.compile(rb"\bfor\s+<?([^\s<>;()]+@[^\s<>;()]+)>?", re.IGNORECASE)


@dataclass(frozen=True)
class Envelope:
    """Addresses, normalised, each once."""

    senders: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()

    def joined(self, other: Envelope) -> Envelope:
        """Return both."""
        return Envelope(_once((*self.senders, *other.senders)), _once((*self.recipients, *other.recipients)))


def read_envelope(head: bytes, *, senders: Sequence[str], recipients: Sequence[str]) -> Envelope:
    """Return the addresses in these fields of a message's first bytes; never raises.

    `Received` among the recipients' fields stands for the `for` of the topmost one, which servers write when there is
    one recipient.
    """
    block = header_block(head)
    named = tuple(name for name in recipients if name.lower() != RECEIVED.lower())
    found = _addresses(block, named)
    if len(named) < len(recipients):
        topmost = field_values(block, (RECEIVED,))[:1]
        found += [one for value in topmost for match in _FOR.findall(value) for one in addresses_in(_text(match))]
    return Envelope(_once(_addresses(block, tuple(senders))), _once(found))


def owner_by_path(path: Sequence[str]) -> Envelope:
    """Return whose the folders of IceWarp's archive directory are: `<domain>/<account>/[Inbox|Sent]/<month>`."""
    if len(path) < 2 or "." not in path[0]:
        return Envelope()
    owner = (f"{path[1]}@{path[0]}".lower(),)
    return Envelope(senders=owner) if len(path) > 2 and path[2].lower() == "sent" else Envelope(recipients=owner)


def field_values(block: bytes, names: tuple[str, ...]) -> list[bytes]:
    """Return the values of all fields with these names, in the order of the header; case does not matter."""
    return [value for _, value in _pattern(names).findall(block)] if names else []


def _addresses(block: bytes, names: tuple[str, ...]) -> list[str]:
    return [one for value in field_values(block, names) for one in addresses_in(_text(value))]


@lru_cache(maxsize=64)
def _pattern(names: tuple[str, ...]) -> re.Pattern[bytes]:
    alternatives = b"|".join(re.escape(name.encode()) for name in names)
    return re.compile(rb"\n(" + alternatives + rb")[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)", re.IGNORECASE)


def _text(value: bytes) -> str:
    """Return a field as text; addresses stand in no encoded word, and unfolding cannot split one."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _once(addresses: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(addresses))[:MAX_ADDRESSES]
