"""Filters and deletion rules, applied to single messages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.errors import Misconfigured
from muniment.model.deletion_rule import ACCEPTED, AT_ONCE, DeletionRule
from muniment.model.mail_filter import EVERY_MESSAGE, MailFilter, MessageFacts, ReadState
from muniment.model.period import Period

NOW = datetime(2026, 5, 31, 12, 0, tzinfo=UTC)


def facts(**changes: object) -> MessageFacts:
    """Return the facts of an ordinary message, with `changes` applied."""
    ordinary = MessageFacts(
        ("\\Seen",), NOW - timedelta(days=10), 5000, "Ann <ann@example.com>", "bob@example.com", "Hello"
    )
    return MessageFacts(**{**ordinary.__dict__, **changes})


@pytest.mark.parametrize(
    ("text", "days"), [("1 day", 1), ("2 weeks", 14), ("3 MONTHS", 92), ("1 year", 365), ("99999 years", 10**6)]
)
def test_periods(text: str, days: int) -> None:
    """Months and years are calendar units: three months before the end of May is the end of February."""
    before = Period.parse(text).before(NOW)
    assert abs((NOW - before).days - days) <= 1 or before.year == 1


@pytest.mark.parametrize("text", ["", "3", "months", "0 days", "3 fortnights", "-1 day", "1.5 years"])
def test_no_periods(text: str) -> None:
    """An invalid period is refused with an example."""
    with pytest.raises(Misconfigured, match="is not a valid period") as caught:
        Period.parse(text)
    assert "3 months" in caught.value.hint


def test_bounds_are_exact() -> None:
    """The start of a range is inclusive, its end exclusive."""
    rule = MailFilter(since=NOW.date(), before=(NOW + timedelta(days=1)).date())
    midnight = NOW.replace(hour=0)
    assert rule.lets_through(facts(received=midnight), NOW)
    assert not rule.lets_through(facts(received=midnight - timedelta(seconds=1)), NOW)
    assert not rule.lets_through(facts(received=midnight + timedelta(days=1)), NOW)
    assert not MailFilter(larger_than=5000).lets_through(facts(), NOW)
    assert MailFilter(larger_than=4999).lets_through(facts(), NOW)


@given(
    received=st.datetimes(datetime(2000, 1, 1), datetime(2026, 5, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    days=st.integers(1, 9000),
)
def test_a_search_never_misses_what_is_let_through(received: datetime, days: int) -> None:
    """The dates of SEARCH, which a server interprets in any time zone, cover the filter's range."""
    for rule in (MailFilter(older_than=f"{days} days"), MailFilter(newer_than=f"{days} days")):
        if not rule.lets_through(facts(received=received), NOW):
            continue
        words = rule.search_keys(NOW).split()
        for key, text in zip(words[::2], words[1::2], strict=True):
            day = datetime.strptime(text + " +0000", "%d-%b-%Y %z").date()
            for hours in (-12, 14):
                shown = (received + timedelta(hours=hours)).date()
                assert shown >= day if key == "SINCE" else shown < day


@pytest.mark.parametrize("name", ["flags", "received", "size", "sender", "recipients", "subject"])
def test_unknown_facts_exclude_nothing_and_delete_nothing(name: str) -> None:
    """If the server does not report a fact, a filter still archives the message, and a deletion rule keeps it."""
    strict = MailFilter(
        older_than="1 year", read=ReadState.UNREAD, larger_than=10**6, sender=("x",), recipient=("x",), subject=("x",)
    )
    nothing = MessageFacts()
    assert strict.lets_through(nothing, NOW)
    assert not strict.lets_through(facts(), NOW)
    unknown = facts(**{name: None})
    if name in {"flags", "received", "size"}:
        assert DeletionRule(after="1 day").keeps(unknown, EVERY_MESSAGE, NOW)
    if name in {"flags", "size"}:
        assert DeletionRule(after=AT_ONCE).keeps(unknown, EVERY_MESSAGE, NOW)


def test_deletion_keeps() -> None:
    """Messages that are flagged, too recent, or excluded by the filter are kept."""
    rule = DeletionRule(after="1 month")
    old = facts(received=NOW - timedelta(days=40))
    assert rule.keeps(old, EVERY_MESSAGE, NOW) == ""
    assert "not older" in rule.keeps(facts(), EVERY_MESSAGE, NOW)
    flagged = facts(received=old.received, flags=("\\FLAGGED",))
    assert "flagged" in rule.keeps(flagged, EVERY_MESSAGE, NOW)
    assert DeletionRule(after="1 month", flagged=True).keeps(flagged, EVERY_MESSAGE, NOW) == ""
    assert "filter" in rule.keeps(old, MailFilter(subject=("!hello",)), NOW)


@pytest.mark.parametrize(
    "make",
    [
        lambda: DeletionRule(after="soon"),
        lambda: DeletionRule(after=AT_ONCE, without_uidplus="yes"),
        lambda: MailFilter(sender=("||(",)),
        lambda: MailFilter(subject=("!",)),
        lambda: MailFilter(larger_than=-1),
        lambda: MailFilter(newer_than="a while"),
    ],
)
def test_invalid_rules(make: object) -> None:
    """An invalid rule is refused with a hint on what to write instead."""
    with pytest.raises(Misconfigured) as caught:
        make()  # type: ignore[operator]
    assert caught.value.hint or "regular expression" in str(caught.value)


def test_accepting_deletion_without_uidplus() -> None:
    """Deletion without UIDPLUS requires exactly these words."""
    assert DeletionRule(after=AT_ONCE, without_uidplus=ACCEPTED)
