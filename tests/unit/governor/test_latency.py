from __future__ import annotations

from muniment.governor.latency import SLOW_SAMPLES, Latency


def test_one_slow_answer_is_no_trend() -> None:
    """Only several slow samples in a row count; a fast one resets the count."""
    latency = Latency()
    answers = [latency.sample(seconds, 0.0) for seconds in [0.1, *[5.0, 5.0, 0.1] * 5]]

    assert answers == [None] * 16


def test_several_slow_answers_are_told_once() -> None:
    latency = Latency()
    latency.sample(0.1, 0.0)
    answers = [latency.sample(2.0, 1.0) for _ in range(2 * SLOW_SAMPLES)]

    assert [bool(answer) for answer in answers] == [False, False, False, False, True] * 2


def test_a_server_that_is_always_slow_is_not_rising() -> None:
    """Samples are compared with the server's own best, and nothing below a second is slow."""
    slow, quick = Latency(), Latency()

    assert [slow.sample(3.0, 0.0) for _ in range(10)] == [None] * 10
    assert [quick.sample(seconds, 0.0) for seconds in [0.001, *[0.9] * 10]] == [None] * 11


def test_the_best_is_forgotten_after_ten_minutes() -> None:
    """A server that became permanently slower is measured by its new speed."""
    latency = Latency()
    latency.sample(0.1, 0.0)

    assert [latency.sample(2.0, 700.0) for _ in range(10)] == [None] * 10
