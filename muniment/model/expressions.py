"""Regular expressions in patterns that administrators write: `||text`, or `|i|text` where case does not matter."""

from __future__ import annotations

from functools import lru_cache

import regex

from muniment.errors import Misconfigured

#: Longest time for one pattern on one text (seconds): a pattern that backtracks must not stop a worker.
_SECONDS = 0.5

_CASELESS, _CASE_SENSITIVE = "|i|", "||"


def expression(pattern: str) -> str | None:
    """Return the regular expression of a pattern, None when it is plain."""
    for mark in (_CASELESS, _CASE_SENSITIVE):
        if pattern.startswith(mark):
            return pattern.removeprefix(mark)
    return None


def check_expression(pattern: str, what: str) -> None:
    """Raise Misconfigured when `pattern`, which is a `what`, holds a regular expression that is none."""
    found = expression(pattern)
    if found is None:
        return
    if not found:
        raise Misconfigured(f"a {what} is empty", hint="Write a regular expression after || or |i|.")
    try:
        _compiled(pattern)
    except regex.error as error:
        raise Misconfigured(f"the {what} {pattern!r} is no regular expression: {error}") from error


def is_found(pattern: str, text: str, what: str) -> bool:
    """Tell whether the regular expression of a pattern fits anywhere in a text; Misconfigured when that takes too long."""
    try:
        return _compiled(pattern).search(text, timeout=_SECONDS) is not None
    except TimeoutError as error:
        raise Misconfigured(
            f"the {what} {pattern!r} takes too long",
            hint="Repetitions within repetitions do that; write it in another way.",
        ) from error


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> regex.Pattern[str]:
    return regex.compile(expression(pattern) or "", regex.IGNORECASE if pattern.startswith(_CASELESS) else 0)
