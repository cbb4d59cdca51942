"""Periods as administrators write them: `at once`, `3 months`, `10 days`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from dateutil.relativedelta import relativedelta

from muniment.errors import Misconfigured

_FORM = re.compile(r"(\d{1,5}) ?(day|week|month|year)s?", re.IGNORECASE)


@dataclass(frozen=True)
class Period:
    """A number of days, weeks, months or years; months are calendar months."""

    count: int
    unit: str  # day, week, month, year

    @classmethod
    def parse(cls, text: str) -> Period:
        """Parse a text such as `3 months`; Misconfigured if it is invalid."""
        match = _FORM.fullmatch(text.strip())
        if match is None or not int(match[1]):
            raise Misconfigured(
                f"{text!r} is not a valid period",
                hint="Write a number of days, weeks, months or years, such as 3 months.",
            )
        return cls(int(match[1]), match[2].lower())

    def before(self, moment: datetime) -> datetime:
        """Return the time this period before `moment`, or the earliest representable time."""
        try:
            return moment - relativedelta(
                days=self.count if self.unit == "day" else 0,
                weeks=self.count if self.unit == "week" else 0,
                months=self.count if self.unit == "month" else 0,
                years=self.count if self.unit == "year" else 0,
            )
        except (OverflowError, ValueError):
            return datetime.min.replace(tzinfo=moment.tzinfo)

    def __str__(self) -> str:
        return f"{self.count} {self.unit}{'' if self.count == 1 else 's'}"
