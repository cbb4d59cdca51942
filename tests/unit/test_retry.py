"""Back-off: doubling, capped, randomised, and reproducible with the same random numbers."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.retry import Backoff

ATTEMPTS = st.integers(min_value=1, max_value=10_000)


class Fixed(random.Random):
    """Random numbers that are always the same fraction of the range."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self._share = share

    def random(self) -> float:
        """Return the fraction."""
        return self._share


@pytest.mark.parametrize(
    ("attempt", "low", "high"), [(1, 1, 2), (2, 2, 4), (3, 4, 8), (7, 64, 128), (8, 128, 256), (9, 150, 300)]
)
def test_waits_double_up_to_the_cap(attempt: int, low: float, high: float) -> None:
    """With a first wait of 2 s and a cap of 300 s, the ranges are 1-2, 2-4, 4-8 … 150-300 seconds."""
    backoff = Backoff(first_seconds=2.0, cap_seconds=300.0)

    assert backoff.seconds(attempt, Fixed(0.0)) == low
    assert backoff.seconds(attempt, Fixed(1.0)) == high


@given(attempt=ATTEMPTS, first=st.floats(0.001, 60), cap=st.floats(0.001, 3600), seed=st.integers())
def test_no_wait_is_above_the_cap_or_below_half_its_range(attempt: int, first: float, cap: float, seed: int) -> None:
    """For any attempt, the wait is positive and at most the cap; huge attempts do not overflow."""
    wait = Backoff(first_seconds=first, cap_seconds=cap).seconds(attempt, random.Random(seed))

    assert 0 < min(first, cap) / 2 <= wait <= cap


@given(attempt=ATTEMPTS, share=st.floats(0, 1))
def test_waits_never_shrink_with_attempts(attempt: int, share: float) -> None:
    """With the same random number, a later attempt waits at least as long."""
    backoff = Backoff()

    assert backoff.seconds(attempt, Fixed(share)) <= backoff.seconds(attempt + 1, Fixed(share))


def test_mailboxes_that_failed_together_do_not_come_back_together() -> None:
    """The waits of a thousand mailboxes after the same failure are spread over the whole range."""
    rng = random.Random(1)
    waits = [Backoff(first_seconds=10, cap_seconds=10).seconds(1, rng) for _ in range(1000)]
    tenths = {int((wait - 5) / 0.5) for wait in waits}

    assert len(set(waits)) == 1000
    assert tenths == set(range(10))


def test_the_same_random_numbers_give_the_same_wait() -> None:
    """The function is pure except for the random generator that is passed in."""
    assert Backoff().seconds(3, random.Random(7)) == Backoff().seconds(3, random.Random(7))


def test_without_a_generator_the_wait_is_random_too() -> None:
    """By default, the random generator of the process is used."""
    assert len({Backoff().seconds(5) for _ in range(20)}) > 1
