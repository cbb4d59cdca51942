"""Dates as people write them in queries: `2024`, `2024-03-17`, `17.03.2024`, `yesterday`, `last-month`, `30d`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from dateutil.relativedelta import relativedelta

from muniment.model.period import Period

_DATE = re.compile(r"(\d{4})(?:([-/.])(\d{1,2})(?:\2(\d{1,2}))?)?")
_DIGITS = re.compile(r"(\d{4})(\d{2})(\d{2})")
_DAY_FIRST = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4}|\d{2})")
_EITHER_FIRST = re.compile(r"(\d{1,2})([-/])(\d{1,2})\2(\d{4}|\d{2})")
_MONTH = re.compile(r"(\d{1,2})[-/.](\d{4})")
_SECONDS = re.compile(r"\d{10}")
_RELATIVE = re.compile(r"(today|yesterday)|(this|last|past)[-_ ]?(week|month|year)")
_PERIOD = re.compile(r"(\d{1,5})(d|w|m|y)(?:ays?|eeks?|onths?|ears?)?")
_LETTERS = {"d": "day", "w": "week", "m": "month", "y": "year"}
_UNITS = {"week": relativedelta(weeks=1), "month": relativedelta(months=1), "year": relativedelta(years=1)}
#: Years of two digits: 69 is 1969, 68 is 2068, as in POSIX.
_CENTURY_TURN = 69


@dataclass(frozen=True)
class Span:
    """A time span; both ends are the same if a moment is named."""

    first: datetime
    end: datetime


def read_spans(text: str, now: datetime, zone: tzinfo) -> list[Span]:
    """Return the time spans, in `zone`, that `text` may name, earliest first; none if it is no date.

    There are two if day and month may be either (`3/5/2024`). A period such as `30d` names the moment that long before
    `now`.
    """
    text = text.lower()
    try:
        if match := _PERIOD.fullmatch(text):
            moment = Period(int(match[1]), _LETTERS[match[2]]).before(now)
            return [Span(moment, moment)]
        if _SECONDS.fullmatch(text):
            moment = datetime.fromtimestamp(int(text), UTC).astimezone(zone)
            return [Span(moment, moment)]
        days = _days(text, now.astimezone(zone).date())
    except (ValueError, OverflowError, OSError):
        return []
    return [Span(_midnight(first, zone), _midnight(end, zone)) for first, end in sorted(set(days))]


def _days(text: str, today: date) -> list[tuple[date, date]]:
    found: list[tuple[date, date]] = []
    if match := _DATE.fullmatch(text):
        found.append(_written(match[1], match[3], match[4]))
    elif match := _DIGITS.fullmatch(text):
        found.append(_written(match[1], match[2], match[3]))
    elif match := _DAY_FIRST.fullmatch(text):
        found.append(_written(_year(match[3]), match[2], match[1]))
    elif match := _EITHER_FIRST.fullmatch(text):
        found += _either(_year(match[4]), match[1], match[3])
    elif match := _MONTH.fullmatch(text):
        found.append(_written(match[2], match[1], None))
    elif match := _RELATIVE.fullmatch(text):
        found.append(_relative(match, today))
    return found


def _either(year: str, one: str, other: str) -> list[tuple[date, date]]:
    """Return the days for both orders of day and month, without those that do not exist."""
    found = []
    for month, day in ((one, other), (other, one)):
        try:
            found.append(_written(year, month, day))
        except ValueError:
            continue
    return found


def _year(text: str) -> str:
    if len(text) == 4:
        return text
    return f"{'19' if int(text) >= _CENTURY_TURN else '20'}{text}"


def _written(year: str, month: str | None, day: str | None) -> tuple[date, date]:
    first = date(int(year), int(month or 1), int(day or 1))
    length = _UNITS["year"] if month is None else _UNITS["month"] if day is None else timedelta(days=1)
    return first, first + length


def _relative(match: re.Match[str], today: date) -> tuple[date, date]:
    if match[1]:
        first = today if match[1] == "today" else today - timedelta(days=1)
        return first, first + timedelta(days=1)
    first = {
        "week": today - timedelta(days=today.weekday()),
        "month": today.replace(day=1),
        "year": today.replace(month=1, day=1),
    }[match[3]]
    unit = _UNITS[match[3]]
    return (first, first + unit) if match[2] == "this" else (first - unit, first)


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time(), zone)
