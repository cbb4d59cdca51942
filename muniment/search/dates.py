"""Dates as people write them in queries: `2024`, `2024-03`, `2024-03-17`, `yesterday`, `last-month`, `30d`."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta, tzinfo

from dateutil.relativedelta import relativedelta

from muniment.model.period import Period

_DATE = re.compile(r"(\d{4})(?:[-/.](\d{1,2})(?:[-/.](\d{1,2}))?)?")
_RELATIVE = re.compile(r"(today|yesterday)|(this|last)-(week|month|year)")
_PERIOD = re.compile(r"(\d{1,5})(d|w|m|y)(?:ays?|eeks?|onths?|ears?)?")
_LETTERS = {"d": "day", "w": "week", "m": "month", "y": "year"}
_UNITS = {"week": relativedelta(weeks=1), "month": relativedelta(months=1), "year": relativedelta(years=1)}


def read_span(text: str, now: datetime, zone: tzinfo) -> tuple[datetime, datetime] | None:
    """Return the start and end, in `zone`, of the time span that `text` names; None if it names none.

    A period such as `30d` names the moment that long before `now`: start and end are the same.
    """
    text = text.lower()
    today = now.astimezone(zone).date()
    try:
        if match := _DATE.fullmatch(text):
            days = _written(match)
        elif match := _RELATIVE.fullmatch(text):
            days = _relative(match, today)
        elif match := _PERIOD.fullmatch(text):
            moment = Period(int(match[1]), _LETTERS[match[2]]).before(now)
            return moment, moment
        else:
            return None
    except (ValueError, OverflowError):
        return None
    return _midnight(days[0], zone), _midnight(days[1], zone)


def _written(match: re.Match[str]) -> tuple[date, date]:
    year, month, day = (int(part) if part else None for part in match.groups())
    first = date(year or 0, month or 1, day or 1)
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
