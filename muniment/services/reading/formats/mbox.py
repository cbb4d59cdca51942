"""mbox: one file for each folder, in the mboxrd variant, whose quoting is reversible.

A line `From sender date` precedes each message. Lines of the message that begin with any number of `>` and `From ` get
one more `>`. Line ends are unchanged.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from muniment.errors import Damaged
from muniment.mail.headers import read_headers
from muniment.services.reading.formats.files import draft_of, writing
from muniment.services.reading.formats.manifest import MailTree, ManifestEntry
from muniment.services.reading.formats.paths import Names

_FROM = b"From "
_FIRST_LINE = re.compile(rb"\A(>*)From ")
_NEXT_LINES = re.compile(rb"(\n>*)From ")
_QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)
_ADDRESS = re.compile(r"[!-;=?-~]{1,200}@[!-;=?-~]{1,200}")
_HEAD_BYTES = 64 * 1024


class MboxTree(MailTree):
    """Writes `DIR/<folder>.mbox`; the files appear once the export is closed."""

    format = "mbox"

    def __init__(self, directory: Path, *, user: str, created: datetime) -> None:
        super().__init__(directory, user=user, created=created)
        self._names = Names(directory)
        self._paths: dict[tuple[str, ...], Path] = {}
        self._current: tuple[Path, BinaryIO] | None = None

    def add(
        self,
        folder: tuple[str, ...],
        name: str,  # noqa: ARG002 - a message in an mbox has no file of its own
        chunks: Iterable[bytes],
        entry: ManifestEntry,
    ) -> None:
        """Append one message to its folder's file."""
        if folder not in self._paths:
            self._paths[folder] = self._names.folder_file(folder, ".mbox")
        path = self._paths[folder]
        file = self._open(path)
        offset = file.tell()
        try:
            with writing(path):
                length = _append(file, chunks, entry)
        except BaseException:
            file.seek(offset)
            file.truncate()
            raise
        self._manifest.add(replace(entry, path=self._relative(path), offset=offset, length=length))

    def close(self) -> None:
        """Rename the files to their final names, and then the manifest."""
        self._release()
        for path in self._paths.values():
            with writing(path):
                draft_of(path).replace(path)
        super().close()

    def abandon(self) -> None:
        """End a failed export; unfinished files keep their draft names."""
        self._release()
        super().abandon()

    def _open(self, path: Path) -> BinaryIO:
        """Return the folder's file; only one is open at a time, because there may be thousands of folders."""
        if self._current is None or self._current[0] != path:
            self._release()
            with writing(path):
                file = draft_of(path).open("ab")
            self._current = (path, file)
        return self._current[1]

    def _release(self) -> None:
        current, self._current = self._current, None
        if current is not None:
            with writing(current[0]):
                current[1].close()


def read_mbox_message(path: Path, entry: ManifestEntry) -> bytes:
    """Return the exact bytes of the message that `entry` describes from the mbox file `path`.

    Raises Damaged if the file does not hold it there.
    """
    if entry.offset is None or entry.length is None:
        raise Damaged(f"the manifest does not say where in {path} the message is")
    try:
        with path.open("rb") as file:
            file.seek(entry.offset)
            stored = file.read(entry.length)
    except OSError as error:
        raise Damaged(f"cannot read {path}: {error.strerror or error}") from error
    separator, _, quoted = stored.partition(b"\n")
    if len(stored) != entry.length or not separator.startswith(_FROM):
        raise Damaged(f"{path} does not hold a message at byte {entry.offset}")
    message = _QUOTED.sub(rb"\1", quoted)
    entry.check_size(len(message))
    return message


def _append(file: BinaryIO, chunks: Iterable[bytes], entry: ManifestEntry) -> int:
    """Write separator, message and the blank line after it; return the length without the blank line."""
    pieces = iter(chunks)
    first = next(pieces, b"")
    separator = _separator(first[:_HEAD_BYTES], entry.internal_date)
    length = file.write(separator)
    quoter = _Quoter()
    size, last = 0, b""
    for chunk in chain((first,), pieces):
        size += len(chunk)
        length += file.write(quoter.feed(chunk))
        last = chunk[-1:] or last
    length += file.write(quoter.finish())
    entry.check_size(size)
    file.write(b"\n" if last == b"\n" else b"\n\n")
    return length


def _separator(head: bytes, internal_date: datetime | None) -> bytes:
    headers = read_headers(head)
    address = _ADDRESS.search(headers.sender)
    date = internal_date or headers.date or datetime.fromtimestamp(0, UTC)
    # asctime never depends on the locale.
    stamp = time.asctime(date.astimezone(UTC).timetuple())
    return f"From {address[0] if address else 'MAILER-DAEMON'} {stamp}\n".encode("ascii")


class _Quoter:
    """Quotes `From ` lines in a stream; buffers at most four bytes (`From`) that may be completed by the next chunk."""

    def __init__(self) -> None:
        self._kept = b""
        self._fresh = True  # only `>` of the current line was returned so far

    def feed(self, chunk: bytes) -> bytes:
        """Return the bytes that can be written now."""
        data, fresh = self._kept + chunk, self._fresh
        line_start = data.rfind(b"\n") + 1
        rest = data[line_start:].lstrip(b">")
        self._fresh = (fresh or line_start > 0) and len(rest) < len(_FROM) and _FROM.startswith(rest)
        self._kept = rest if self._fresh else b""
        data = data[: len(data) - len(self._kept)]
        if _FROM not in data:
            return data
        if fresh:
            data = _FIRST_LINE.sub(rb"\1>From ", data)
        return _NEXT_LINES.sub(rb"\1>From ", data)

    def finish(self) -> bytes:
        """Return the buffered bytes."""
        kept, self._kept = self._kept, b""
        return kept
