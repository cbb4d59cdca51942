"""Parses INTERNALDATE, the time when the server received a message (RFC 3501 §2.3.3)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

_FORM = re.compile(rb" ?(\d{1,2})-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d)(?: ([+-])(\d\d)(\d\d))?")
_MONTHS = {
    name: number
    for number, name in enumerate(
        (b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"), 1
    )
}


def parse_internaldate(text: bytes) -> datetime | None:
    """Return the time of `17-Jul-1996 02:44:25 -0700` in UTC; None if the text is not a valid date.

    A missing zone (some servers) means UTC. A time outside of the years 1 to 9999 in UTC is
    invalid, because `datetime` cannot represent it.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    day, month, year, hour, minute, second, sign, zone_hours, zone_minutes = match.groups()
    try:
        return datetime(
            int(year),
            _MONTHS[month.lower()],
            int(day),
            int(hour),
            int(minute),
            int(second),
            tzinfo=_zone(sign, zone_hours, zone_minutes),
        ).astimezone(UTC)
    except (ValueError, KeyError, OverflowError):
        return None


@lru_cache(maxsize=256)
def _zone(sign: bytes | None, hours: bytes | None, minutes: bytes | None) -> timezone:
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    return timezone(-offset if sign == b"-" else offset)
