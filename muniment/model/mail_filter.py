"""Which messages of a folder a profile archives."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

import msgspec

from muniment.errors import Misconfigured
from muniment.model.expressions import check_expression, expression, is_found
from muniment.model.period import Period

_WHAT = "filter pattern"
_NOT = "!"
_SEEN = "\\seen"
_DAY = timedelta(days=1)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class ReadState(StrEnum):
    """Whether a message has been read, i.e. has the flag `\\Seen`."""

    ANY = "any"
    READ = "read"
    UNREAD = "unread"


@dataclass(frozen=True)
class MessageFacts:
    """The facts that a filter examines, available without the body. None: the server does not report the fact.

    `received`: INTERNALDATE, in UTC. `size`: RFC822.SIZE, in bytes. The texts are decoded header fields.
    """

    flags: tuple[str, ...] | None = None
    received: datetime | None = None
    size: int | None = None
    sender: str | None = None
    recipients: str | None = None
    subject: str | None = None

    def has_flag(self, flag: str) -> bool:
        """Return whether a flag is set; flags are case-insensitive (RFC 9051 §2.3.2)."""
        return flag.lower() in map(str.lower, self.flags or ())


class MailFilter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Conditions for archiving a message; all of them must hold. Without conditions, all messages are archived.

    `older_than`, `newer_than`: periods before the start of the run. `since` (inclusive), `before` (exclusive): days in
    UTC. `larger_than`, `smaller_than`: bytes. `sender`, `recipient`, `subject`: patterns, of which at least one must
    match: text contained in the field (case-insensitive), `||text` for a regular expression, `|i|text` for a
    case-insensitive one. A message that matches a pattern after `!` is excluded. Times refer to INTERNALDATE, i.e. when
    the server received the message.
    """

    older_than: str = ""
    newer_than: str = ""
    since: date | None = None
    before: date | None = None
    read: ReadState = ReadState.ANY
    larger_than: int | None = None
    smaller_than: int | None = None
    sender: tuple[str, ...] = ()
    recipient: tuple[str, ...] = ()
    subject: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for period in filter(None, (self.older_than, self.newer_than)):
            Period.parse(period)
        for pattern in (*self.sender, *self.recipient, *self.subject):
            plain = pattern.removeprefix(_NOT)
            if not plain:
                raise Misconfigured("a filter pattern is empty", hint="Write the text to find in the field.")
            check_expression(plain, _WHAT)
        if any(size is not None and size < 0 for size in (self.larger_than, self.smaller_than)):
            raise Misconfigured("a size is negative", hint="Sizes are numbers of bytes.")

    def __bool__(self) -> bool:
        return self != EVERY_MESSAGE

    @property
    def needs_headers(self) -> bool:
        """Whether the filter examines header fields."""
        return bool(self.sender or self.recipient or self.subject)

    def lets_through(self, facts: MessageFacts, now: datetime) -> bool:
        """Return whether a run that began at `now` archives a message; unknown facts exclude nothing."""
        return (
            self._fits_time(facts.received, now)
            and self._fits_state(facts)
            and _fits_size(facts.size, self.larger_than, self.smaller_than)
            and _fits(self.sender, facts.sender)
            and _fits(self.recipient, facts.recipients)
            and _fits(self.subject, facts.subject)
        )

    def _fits_time(self, received: datetime | None, now: datetime) -> bool:
        first, end = self._bounds(now)
        return received is None or ((first is None or received >= first) and (end is None or received < end))

    def _bounds(self, now: datetime) -> tuple[datetime | None, datetime | None]:
        firsts = [Period.parse(self.newer_than).before(now)] if self.newer_than else []
        ends = [Period.parse(self.older_than).before(now)] if self.older_than else []
        firsts += [_midnight(self.since)] if self.since else []
        ends += [_midnight(self.before)] if self.before else []
        return max(firsts, default=None), min(ends, default=None)

    def _fits_state(self, facts: MessageFacts) -> bool:
        if self.read is ReadState.ANY or facts.flags is None:
            return True
        return facts.has_flag(_SEEN) == (self.read is ReadState.READ)

    def search_keys(self, now: datetime) -> str:
        """Return SEARCH criteria (RFC 9051 §6.4.4) that match every message that the filter lets through; may be empty.

        They cover only flags, sizes and dates, because servers compare header texts differently than Muniment. SEARCH
        works with whole days in the server's time zone, so the range of dates is one day wider at each end.
        """
        keys = {ReadState.READ: ["SEEN"], ReadState.UNREAD: ["UNSEEN"]}.get(self.read, [])
        first, end = self._bounds(now)
        if first is not None and first.year > 1:
            keys.append(f"SINCE {_search_date(first - _DAY)}")
        if end is not None:
            keys.append(f"BEFORE {_search_date(end + 2 * _DAY)}")
        if self.larger_than is not None:
            keys.append(f"LARGER {self.larger_than}")
        if self.smaller_than is not None:
            keys.append(f"SMALLER {self.smaller_than}")
        return " ".join(keys)


#: The filter without conditions.
EVERY_MESSAGE = MailFilter()


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _search_date(moment: datetime) -> str:
    return f"{moment.day}-{_MONTHS[moment.month - 1]}-{moment.year:04}"


def _fits_size(size: int | None, larger: int | None, smaller: int | None) -> bool:
    return size is None or ((larger is None or size > larger) and (smaller is None or size < smaller))


def _fits(patterns: tuple[str, ...], text: str | None) -> bool:
    """Return whether at least one pattern matches (if there are any) and none of the patterns after `!` does."""
    if text is None:
        return True
    wanted = [pattern for pattern in patterns if not pattern.startswith(_NOT)]
    unwanted = [pattern.removeprefix(_NOT) for pattern in patterns if pattern.startswith(_NOT)]
    return (not wanted or any(_is_in(p, text) for p in wanted)) and not any(_is_in(p, text) for p in unwanted)


def _is_in(pattern: str, text: str) -> bool:
    if expression(pattern) is not None:
        return is_found(pattern, text, _WHAT)
    return pattern.casefold() in text.casefold()
