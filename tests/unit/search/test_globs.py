from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from muniment.search.globs import count, matcher, simplified

PATTERNS = st.text("ab[]!-*?", max_size=12)


def fits(pattern: str, text: str) -> bool:
    """Whether a pattern fits, by definition: the set of places in the pattern that each character may lead to."""
    places = {0}
    for character in [*text, None]:
        while more := {at + 1 for at in places if pattern[at : at + 1] == "*"} - places:
            places |= more
        if character is None:
            return len(pattern) in places
        places = {
            at if pattern[at] == "*" else at + 1 for at in places if pattern[at : at + 1] in {"*", "?", character}
        }
    raise AssertionError


@given(PATTERNS, st.text("ab[]!-\n", max_size=12))
def test_a_pattern_fits_what_it_should(pattern: str, text: str) -> None:
    """`*` stands for any characters, `?` for one, and everything else for itself, simplified or not."""
    expected = fits(pattern, text)

    assert matcher(pattern)(text) == expected
    assert matcher(simplified(pattern))(text) == expected


@given(PATTERNS)
def test_a_simplified_pattern_has_no_more_wildcards(pattern: str) -> None:
    """Runs of stars count once."""
    assert count(simplified(pattern)) <= count(pattern)
    assert "**" not in simplified(pattern)
    assert "*?" not in simplified(pattern)


def test_no_pattern_is_tried_for_ever() -> None:
    """Many wildcards that nearly fit take no time; trying every way to fit them would never end."""
    assert not matcher("a*" * 60 + "b")("a" * 20_000)
    assert not matcher("*a?" * 60 + "b")("a" * 20_000)
    assert matcher("a*" * 60)("a" * 20_000)
