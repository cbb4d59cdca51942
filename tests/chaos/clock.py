"""A clock that can be put forward and back for processes: libfaketime, which shows them another wall clock."""

from __future__ import annotations

from pathlib import Path


class Clock:
    """The wall clock of whoever was started with `environ`; the clock that measures durations goes on as ever."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self._library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
        if self._library is not None:
            self.put("+0")

    @property
    def is_there(self) -> bool:
        """Whether libfaketime is installed."""
        return self._library is not None

    @property
    def environ(self) -> dict[str, str]:
        """What a process must be started with."""
        if self._library is None:
            return {}
        return {
            "LD_PRELOAD": str(self._library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1",  # as libfaketime 0.9 calls it
        }

    def put(self, offset: str) -> None:
        """Put the clock forward (`+1h`) or back (`-1h`) from the true time."""
        draft = self._file.with_name("clock.new")
        draft.write_text(f"{offset}\n")
        draft.replace(self._file)
