from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from muniment.imap.internaldate import parse_internaldate


@pytest.mark.parametrize(
    ("text", "when"),
    [
        (b"17-Jul-1996 02:44:25 -0700", datetime(1996, 7, 17, 2, 44, 25, tzinfo=timezone(timedelta(hours=-7)))),
        (b" 7-jul-1996 02:44:25 +0530", datetime(1996, 7, 7, 2, 44, 25, tzinfo=timezone(timedelta(hours=5.5)))),
        (b"01-Jan-2000 00:00:00 +0000", datetime(2000, 1, 1, tzinfo=UTC)),
        (b"01-Jan-2000 00:00:00", datetime(2000, 1, 1, tzinfo=UTC)),
        (b"01-Jan-0001 00:00:00 -0100", datetime(1, 1, 1, 1, tzinfo=UTC)),
        (b"31-Dec-9999 23:59:59 +0100", datetime(9999, 12, 31, 22, 59, 59, tzinfo=UTC)),
    ],
)
def test_dates(text: bytes, when: datetime) -> None:
    """An INTERNALDATE becomes the same time in UTC."""
    parsed = parse_internaldate(text)

    assert parsed == when
    assert parsed is not None
    assert parsed.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"yesterday",
        b"32-Jan-2000 00:00:00 +0000",
        b"01-Foo-2000 00:00:00 +0000",
        b"01-Jan-0000 00:00:00 +0000",
        b"01-Jan-2000 00:00:00 +9999",
        b"01-Jan-2000 24:00:00 +0000",
        b"01-Jan-0001 00:00:00 +0100",
        b"31-Dec-9999 23:59:59 -0100",
    ],
)
def test_broken_dates_are_none(text: bytes) -> None:
    """An invalid date is None, not an error."""
    assert parse_internaldate(text) is None
