"""Patterns with wildcards: `*` stands for any characters, `?` for one.

Matching takes linear time in practice, and never more than the product of both lengths, whatever the pattern is.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable
from functools import lru_cache

#: Maximum number of wildcards in one word; each may double the states of the automaton that OpenSearch builds.
MAX_WILDCARDS = 10

_RUN = re.compile(r"[*?]{2,}")


@lru_cache(maxsize=1000)
def matcher(pattern: str) -> Callable[[str], bool]:
    """Return a function that tells whether the pattern fits a whole text.

    The standard library makes an expression that never reconsiders what a `*` stood for, so nothing is exponential.
    """
    fits = re.compile(fnmatch.translate(pattern.replace("[", "[[]"))).match
    return lambda text: fits(text) is not None


def simplified(pattern: str) -> str:
    """Return a pattern with the same meaning in which each run of wildcards has at most one `*`, at its end."""
    return _RUN.sub(lambda run: "?" * run[0].count("?") + "*" * ("*" in run[0]), pattern)


def count(pattern: str) -> int:
    """Return the number of wildcards in a pattern."""
    return pattern.count("*") + pattern.count("?")
