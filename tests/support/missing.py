"""What to do when something that a test needs is not on this machine."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def missing(reason: str) -> NoReturn:
    """Skip the test on a laptop, fail it in CI: there everything has to be there."""
    if os.environ.get("CI"):
        pytest.fail(f"{reason} (this would be a skip without CI set)", pytrace=False)
    pytest.skip(reason)
