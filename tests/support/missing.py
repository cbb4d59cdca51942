"""What to do if something that a test needs is not installed."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def missing(reason: str) -> NoReturn:
    """Skip the test; in CI, where everything must be installed, fail it."""
    if os.environ.get("CI"):
        pytest.fail(f"{reason} (this would be a skip without CI set)", pytrace=False)
    pytest.skip(reason)
