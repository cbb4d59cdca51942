"""The output of a supervised process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from muniment.embedded.child import _Output


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_full_disk_ends_no_pump() -> None:
    """If the disk with the log is full, lines are dropped there but kept in memory, and nothing fails."""
    output = _Output(Path("/dev/full"))
    reading, writing = os.pipe()
    os.write(writing, b"one\ntwo\n")
    os.close(writing)

    output.pump(os.fdopen(reading, "rb"))

    assert list(output.tail) == ["one", "two"]
