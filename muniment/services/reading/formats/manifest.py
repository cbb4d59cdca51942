"""The manifest of an export: one JSON object that describes each exported message."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from muniment.errors import Conflict, Damaged
from muniment.services.reading.formats.files import draft_of, writing

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class ManifestEntry:
    """One exported message.

    `size` is that of the message itself; `internal_date` is the server's. `path` is relative to the export's directory,
    with slashes. In an mbox file, the message occupies `length` bytes from `offset`, including its separator line and
    quoting; for EML both are None.
    """

    sha256: str
    folder: tuple[str, ...]
    uid: int | None
    uidvalidity: int | None
    flags: tuple[str, ...]
    internal_date: datetime | None
    size: int
    path: str = ""
    offset: int | None = None
    length: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the entry as it is written to the manifest."""
        values = {"path": self.path, **vars(self)}
        values["internal_date"] = self.internal_date.isoformat() if self.internal_date else None
        return {k: v for k, v in values.items() if v is not None or k not in {"offset", "length"}}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> ManifestEntry:
        """Parse what `to_json` returned; ValueError, KeyError or TypeError for anything else."""
        date = values["internal_date"]
        return replace(
            cls(**values),
            folder=tuple(values["folder"]),
            flags=tuple(values["flags"]),
            internal_date=datetime.fromisoformat(date) if date else None,
        )

    def check_size(self, written: int) -> None:
        """Raise Damaged if the message that was written has another size."""
        if written != self.size:
            raise Damaged(f"content {self.sha256} has {written} bytes instead of {self.size}")


class ManifestWriter:
    """Writes `manifest.json` entry by entry; the file appears once everything is exported.

    An export without manifest.json is therefore incomplete.
    """

    def __init__(self, directory: Path, *, kind: str, user: str, created: datetime) -> None:
        _claim_directory(directory)
        self._path = directory / MANIFEST
        with writing(self._path):
            self._file = draft_of(self._path).open("x", encoding="utf-8", errors="strict", newline="\n")
            head = {"format": kind, "created": created.isoformat(), "user": user}
            self._file.write(_json(head)[:-1] + ', "messages": [')
        self._separator = "\n"

    def add(self, entry: ManifestEntry) -> None:
        """Append one message."""
        with writing(self._path):
            self._file.write(self._separator + _json(entry.to_json()))
        self._separator = ",\n"

    def close(self) -> None:
        """Finish the file and rename it to its final name."""
        with writing(self._path):
            self._file.write("\n]}\n")
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            draft_of(self._path).replace(self._path)

    def abandon(self) -> None:
        """Leave the export without a manifest."""
        self._file.close()
        draft_of(self._path).unlink(missing_ok=True)


class MailTree(ABC):
    """An export in progress: a directory of mail whose manifest appears only if everything succeeded."""

    #: The format's name in the manifest.
    format: str

    def __init__(self, directory: Path, *, user: str, created: datetime) -> None:
        """Start an export to `directory`; raises Conflict unless it is new or empty."""
        self.directory = directory
        self._manifest = ManifestWriter(directory, kind=self.format, user=user, created=created)

    @abstractmethod
    def add(self, folder: tuple[str, ...], name: str, chunks: Iterable[bytes], entry: ManifestEntry) -> None:
        """Write one message; `name` (UID or running number) is the file's name if the message has its own file.

        Fills in the place of the message in `entry`. Raises Damaged if `chunks` are not `entry.size` bytes, and
        whatever `chunks` raises; nothing of the message is left then.
        """

    def close(self) -> None:
        """Finish the export."""
        self._manifest.close()

    def abandon(self) -> None:
        """End a failed export; what was written stays, without a manifest."""
        self._manifest.abandon()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self.abandon()

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.directory).as_posix()


def _claim_directory(directory: Path) -> None:
    with writing(directory):
        if directory.exists() and not directory.is_dir():
            raise Conflict(f"{directory} is not a directory", hint="Choose another --to.")
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (directory / MANIFEST).exists():
            raise Conflict(f"{directory} already holds an export", hint="Choose an empty or new directory with --to.")
        if any(directory.iterdir()):
            raise Conflict(f"{directory} is not empty", hint="Choose an empty or new directory with --to.")


def _json(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # a folder name with lone surrogates
        return json.dumps(value)
    return text
