"""EML: one file for each message, in a tree of directories like the folders."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from muniment.services.reading.formats.files import write_whole
from muniment.services.reading.formats.manifest import MailTree, ManifestEntry
from muniment.services.reading.formats.paths import Names


class EmlTree(MailTree):
    """Writes `DIR/<folder>/<name>.eml`."""

    format = "eml"

    def __init__(self, directory: Path, *, user: str, created: datetime) -> None:
        super().__init__(directory, user=user, created=created)
        self._names = Names(directory)

    def add(self, folder: tuple[str, ...], name: str, chunks: Iterable[bytes], entry: ManifestEntry) -> None:
        """Write one message to a file of its own."""
        path = self._names.file(folder, name, ".eml")
        try:
            entry.check_size(write_whole(path, chunks))
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        self._manifest.add(replace(entry, path=self._relative(path), offset=None, length=None))
