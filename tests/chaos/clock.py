"""A clock that can be set forward and back for some processes, by a small library that fakes their wall clock."""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
from pathlib import Path

_SOURCE = Path(__file__).with_name("clock.c")
_LONG = struct.Struct("l")


class Clock:
    """The wall clock of processes started with `environ`; their monotonic clocks are unaffected."""

    def __init__(self, folder: Path) -> None:
        self._library = folder / "clock.so"
        self._file = folder / "clock"
        self._file.write_bytes(_LONG.pack(0))
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is not None:
            command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(self._library), str(_SOURCE)]
            subprocess.run(command, check=True, capture_output=True)

    @property
    def is_there(self) -> bool:
        """Return whether the library could be built."""
        return self._library.exists()

    @property
    def environ(self) -> dict[str, str]:
        """Return the environment variables for a process that uses this clock."""
        return {"LD_PRELOAD": str(self._library), "SHIFTED_CLOCK": str(self._file)} if self.is_there else {}

    def shift(self, seconds: int) -> None:
        """From now on, show the true time plus `seconds`, which may be negative."""
        with self._file.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
            mapped[:] = _LONG.pack(seconds)
