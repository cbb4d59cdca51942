"""A disk small enough to be filled: a separate file system for one data folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class SmallDisk:
    """A mounted file system; `fill` uses up its free space, `free` releases it."""

    def __init__(self, folder: Path, *, is_mounted: bool) -> None:
        self.folder = folder
        self.is_mounted = is_mounted
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Leave no free space."""
        with self._ballast.open("ab") as file:
            chunk = 1 << 20
            while chunk:
                try:
                    os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), chunk)
                    file.seek(0, os.SEEK_END)
                except OSError:
                    chunk //= 2 if chunk > 4096 else chunk + 1

    def free(self) -> None:
        """Release the space."""
        self._ballast.unlink(missing_ok=True)


@contextmanager
def small_disk(mebibytes: int | None = 2048) -> Iterator[SmallDisk]:
    """Yield a small disk; an ordinary folder, marked as such, if none is wanted or this user may not mount one."""
    folder = Path(tempfile.mkdtemp(prefix="muniment-chaos-"))
    folder.chmod(0o755)
    is_mounted = mebibytes is not None and _mount(folder, mebibytes)
    try:
        yield SmallDisk(folder, is_mounted=is_mounted)
    finally:
        if is_mounted:
            subprocess.run(["umount", "--lazy", str(folder)], capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def _mount(folder: Path, mebibytes: int) -> bool:
    options = ["-t", "tmpfs", "-o", f"size={mebibytes}m,mode=0755", "tmpfs", str(folder)]
    return subprocess.run(["mount", *options], capture_output=True).returncode == 0
