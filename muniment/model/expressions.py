"""Regular expressions in patterns that administrators write: `||text`, or `|i|text` if case-insensitive."""

from __future__ import annotations

from functools import lru_cache

import regex

from muniment.errors import Misconfigured

#: Time limit for matching one pattern against one text (seconds): catastrophic backtracking must not block a worker.
_SECONDS = 0.5

_CASELESS, _CASE_SENSITIVE = "|i|", "||"


def expression(pattern: str) -> str | None:
    """Return the regular expression of a pattern, or None for plain text."""
    for mark in (_CASELESS, _CASE_SENSITIVE):
        if pattern.startswith(mark):
            return pattern.removeprefix(mark)
    return None


def check_expression(pattern: str, what: str) -> None:
    """Raise Misconfigured if `pattern` contains an invalid regular expression; `what` names it in the message."""
    found = expression(pattern)
    if found is None:
        return
    if not found:
        raise Misconfigured(f"a {what} is empty", hint="Write a regular expression after || or |i|.")
    try:
        _compiled(pattern)
    except regex.error as error:
        raise Misconfigured(f"the {what} {pattern!r} is not a valid regular expression: {error}") from error


def is_found(pattern: str, text: str, what: str) -> bool:
    """Return whether the regular expression of a pattern matches anywhere in a text; Misconfigured on a timeout."""
    try:
        return _compiled(pattern).search(text, timeout=_SECONDS) is not None
    except TimeoutError as error:
        raise Misconfigured(
            f"matching the {what} {pattern!r} takes too long",
            hint="Nested repetitions, as in (a+)+, cause this. Rewrite the regular expression without them.",
        ) from error


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> regex.Pattern[str]:
    return regex.compile(expression(pattern) or "", regex.IGNORECASE if pattern.startswith(_CASELESS) else 0)
