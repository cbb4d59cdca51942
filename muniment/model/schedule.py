"""When a profile runs automatically, and in which time windows it may run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from cronsim import CronSim, CronSimError

from muniment.errors import Misconfigured

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = r"([01]?\d|2[0-3]):([0-5]\d)"
_ONCE = re.compile(rf"once (\d{{4}})-(\d\d)-(\d\d)[ T]{_CLOCK}", re.IGNORECASE)
_EVERY = re.compile(r"every (\d{1,6}) ?min(?:ute)?s?", re.IGNORECASE)
_DAILY = re.compile(rf"daily {_CLOCK}", re.IGNORECASE)
_WEEKLY = re.compile(rf"weekly ({'|'.join(_DAYS)})((?:,(?:{'|'.join(_DAYS)}))*) {_CLOCK}", re.IGNORECASE)
_MONTHLY = re.compile(rf"monthly ([1-9]|[12]\d|3[01]|last) {_CLOCK}", re.IGNORECASE)
_CRON = re.compile(r"cron (\S+(?: \S+){4})", re.IGNORECASE)
_WINDOW = re.compile(
    rf"(?:({'|'.join(_DAYS)})(?:-({'|'.join(_DAYS)}))? )?{_CLOCK} ?- ?(?:{_CLOCK}|(24:00))", re.IGNORECASE
)

_HINT = (
    "Write `once 2026-12-01 22:00`, `every 15 minutes`, `daily 22:00`, `weekly mon,thu 22:00`, `monthly 1 22:00`, "
    "`monthly last 22:00` or `cron 0 22 * * 1-5`."
)
_WINDOW_HINT = "Valid examples: 20:00-06:00, sat-sun 00:00-24:00, fri 18:00-24:00."

#: How far ahead to look for the next window boundary: windows repeat weekly.
_WEEK = timedelta(days=8)
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Window:
    """A time of day on certain days of the week; a window that ends before it begins extends past midnight."""

    days: frozenset[int]  # days on which the window begins; 0 = Monday
    begin: time
    end: time | None  # None: midnight

    @classmethod
    def parse(cls, text: str) -> Window:
        """Parse a text such as `20:00-06:00` or `sat-sun 00:00-24:00`; Misconfigured if it is invalid."""
        match = _WINDOW.fullmatch(text.strip())
        if match is None:
            raise Misconfigured(f"{text!r} is not a valid time window", hint=_WINDOW_HINT)
        first, last, hour, minute, end_hour, end_minute, midnight = match.groups()
        begin = time(int(hour), int(minute))
        end = None if midnight else time(int(end_hour), int(end_minute))
        if begin == end:
            raise Misconfigured(f"the time window {text!r} is empty", hint=_WINDOW_HINT)
        return cls(_days(first, last), begin, end)

    def contains(self, moment: datetime) -> bool:
        """Return whether the window contains a local time; its end is exclusive."""
        clock, day = moment.time(), moment.weekday()
        if self.end is None or self.begin < self.end:
            return day in self.days and self.begin <= clock and (self.end is None or clock < self.end)
        return (day in self.days and clock >= self.begin) or ((day - 1) % 7 in self.days and clock < self.end)


class Schedule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """When a profile runs: `run` as described in `_HINT` (empty: only manually), in the time zone `zone`.

    `windows`: the time windows for runs; outside of them, runs are paused. Empty: no restriction.
    """

    run: str = ""
    zone: str = "UTC"
    windows: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise Misconfigured(
                f"unknown time zone {self.zone!r}", hint="Write a name such as Europe/Berlin, or UTC."
            ) from error
        for window in self.windows:
            Window.parse(window)
        if self.run:
            self._check()

    def _check(self) -> None:
        every = _EVERY.fullmatch(self.run)
        if (every and int(every[1])) or _once(self.run) is not None:
            return
        expression = _cron(self.run)
        if expression is None:
            raise Misconfigured(f"{self.run!r} is not a valid schedule", hint=_HINT)
        try:
            next(CronSim(expression, datetime(2026, 1, 1, tzinfo=UTC)))
        except (CronSimError, StopIteration) as error:
            raise Misconfigured(
                f"{self.run!r} is not a valid cron expression, or matches no date", hint=_HINT
            ) from error

    def __bool__(self) -> bool:
        return bool(self.run)

    def after(self, moment: datetime) -> datetime | None:
        """Return the next run after a moment (with a zone), in UTC; None if there is none or runs are manual."""
        if not self.run:
            return None
        every = _EVERY.fullmatch(self.run)
        if every is not None:
            return moment.astimezone(UTC) + int(every[1]) * _MINUTE
        zone = ZoneInfo(self.zone)
        at = _once(self.run)
        if at is not None:
            due = at.replace(tzinfo=zone).astimezone(UTC)
            return due if due > moment else None
        expression = _cron(self.run)
        assert expression is not None
        try:
            return next(CronSim(expression, moment.astimezone(zone))).astimezone(UTC)
        except StopIteration:
            return None

    def is_open(self, moment: datetime) -> bool:
        """Return whether runs may proceed at a moment."""
        local = moment.astimezone(ZoneInfo(self.zone))
        return not self.windows or any(Window.parse(window).contains(local) for window in self.windows)

    def closes(self, moment: datetime) -> datetime | None:
        """Return when runs must pause, in UTC, given a moment at which they may proceed; None: never."""
        return next((at for at in self._boundaries(moment) if not self.is_open(at)), None)

    def opens(self, moment: datetime) -> datetime | None:
        """Return when runs may proceed again, in UTC, given a moment at which they must pause."""
        return next((at for at in self._boundaries(moment) if self.is_open(at)), None)

    def _boundaries(self, moment: datetime) -> Iterator[datetime]:
        """Yield the times after a moment at which a window may begin or end, in ascending order."""
        clocks = {time()}
        for window in map(Window.parse, self.windows):
            clocks |= {window.begin, window.end or time()}
        zone = ZoneInfo(self.zone)
        day, last = moment.astimezone(zone).date(), (moment + _WEEK).astimezone(zone).date()
        found = []
        while self.windows and day <= last:
            found += [datetime.combine(day, clock, zone).astimezone(UTC) for clock in clocks]
            day += timedelta(days=1)
        return iter(sorted(at for at in found if at > moment))


#: Runs are started manually, at any time.
BY_HAND = Schedule()


def _days(first: str | None, last: str | None) -> frozenset[int]:
    if first is None:
        return frozenset(range(7))
    begin = _DAYS.index(first.lower())
    end = begin if last is None else _DAYS.index(last.lower())
    return frozenset((begin + step) % 7 for step in range((end - begin) % 7 + 1))


def _once(text: str) -> datetime | None:
    match = _ONCE.fullmatch(text)
    if match is None:
        return None
    try:
        return datetime(*(int(number) for number in match.groups()))  # type: ignore[arg-type] # noqa: DTZ001 - local
    except ValueError as error:
        raise Misconfigured(f"{text!r} contains an invalid date", hint=_HINT) from error


def _cron(text: str) -> str | None:
    """Return a schedule as a cron expression, or None if it has no such form."""
    if match := _DAILY.fullmatch(text):
        return f"{int(match[2])} {int(match[1])} * * *"
    if match := _WEEKLY.fullmatch(text):
        return f"{int(match[4])} {int(match[3])} * * {(match[1] + match[2]).lower()}"
    if match := _MONTHLY.fullmatch(text):
        day = "L" if match[1].lower() == "last" else match[1]
        return f"{int(match[3])} {int(match[2])} {day} * *"
    match = _CRON.fullmatch(text)
    return None if match is None else match[1]
