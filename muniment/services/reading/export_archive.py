"""Export an archive byte for byte, as an EML tree or as mbox files."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import IO

from muniment.clock import utc_now
from muniment.contents.codec import CUT_BYTES, EncodedPart, checked_stream
from muniment.db import folders, messages, users
from muniment.db.database import Session
from muniment.db.folders import ArchiveFolder
from muniment.db.messages import Entry
from muniment.errors import Damaged, NotFound
from muniment.services.access.audit import Action, audited
from muniment.services.access.principal import Principal, Right
from muniment.services.reading.formats.eml import EmlTree
from muniment.services.reading.formats.manifest import MailTree, ManifestEntry
from muniment.services.reading.formats.mbox import MboxTree
from muniment.services.resources import Resources

#: Messages up to this size (bytes) are verified in memory before they are written, larger ones in a file.
SPOOL_BYTES = 8 * 1024 * 1024
_CHUNK_BYTES = 1024 * 1024


class ExportFormat(StrEnum):
    """Formats of an export."""

    EML = "eml"
    MBOX = "mbox"


@dataclass
class ExportReport:
    """What was exported; `damaged` names messages that could not be exported, and why."""

    folders: int = 0
    messages: int = 0
    bytes: int = 0
    damaged: list[str] = field(default_factory=list)


#: Called with the messages and bytes exported so far.
Progress = Callable[[int, int], None]


@audited(Action.ARCHIVE_EXPORTED, "user", details=("folder", "format", "directory", "former"), ahead=True)
async def export_archive(
    principal: Principal,
    resources: Resources,
    user: str,
    *,
    folder: str | None = None,
    former: bool = False,
    format: ExportFormat = ExportFormat.EML,  # noqa: A002 - the option's name on the command line
    directory: Path,
    progress: Progress = lambda _messages, _bytes: None,
) -> ExportReport:
    """Write a user's archive, or one folder with those below it, to a new directory.

    `folder` is a path with slashes, with or without the root folder. `former`: export messages also in folders that
    they left on the server. A message whose stored bytes are damaged is left out and reported. Raises NotFound if the
    user or folder does not exist, and Conflict if the directory is not empty.
    """
    principal.require(Right.EXPORT)
    tree_of: dict[ExportFormat, type[MailTree]] = {ExportFormat.EML: EmlTree, ExportFormat.MBOX: MboxTree}
    report = ExportReport()
    async with resources.database.session() as session:
        user_id = await users.find_id(session, user)
        wanted = _below(await folders.of_user(session, user_id), folder)
    with tree_of[format](directory, user=user, created=utc_now()) as tree:
        for found in wanted:
            await _export_folder(resources, tree, found, report, progress, former=former)
            report.folders += 1
    return report


def _below(found: list[ArchiveFolder], wanted: str | None) -> list[ArchiveFolder]:
    if wanted is None:
        return found
    prefix = wanted.strip("/")

    def matches(folder: ArchiveFolder) -> bool:
        short = "/".join(folder.path)
        names = (short, f"{folder.address}/{short}", folder.address)
        return prefix in names or any(name.startswith(prefix + "/") for name in names)

    chosen = [folder for folder in found if matches(folder)]
    if not chosen:
        raise NotFound(f"there is no folder {wanted} in this archive", hint="Export without --folder to see all.")
    return chosen


async def _export_folder(
    resources: Resources,
    tree: MailTree,
    folder: ArchiveFolder,
    report: ExportReport,
    progress: Progress,
    *,
    former: bool,
) -> None:
    """Export a folder as it is at one moment; a transaction for the whole archive could last for hours."""
    path = (folder.address, *folder.path)
    used: set[int] = set()
    async with resources.database.transaction(snapshot=True) as session:
        entries = messages.entries_of_folder(session, folder.id, former=former)
        async for entry, parts in resources.contents.read(entries):
            # After a change of UIDVALIDITY, two messages may have the same UID.
            name = str(entry.uid) if entry.uid not in used else f"{entry.uidvalidity}-{entry.uid}"
            used.add(entry.uid)
            try:
                if entry.sha256 is None:
                    raise Damaged("the message is missing")
                async with _proven(session, entry, entry.sha256, parts) as chunks:
                    tree.add(path, name, chunks, _manifest_entry(path, entry, entry.sha256))
            except Damaged as error:
                report.damaged.append(f"{'/'.join(path)} UID {entry.uid}: {error}")
                continue
            report.messages += 1
            report.bytes += entry.size
            progress(report.messages, report.bytes)


@asynccontextmanager
async def _proven(
    session: Session, entry: Entry, sha256: bytes, parts: AsyncIterable[EncodedPart]
) -> AsyncIterator[Iterable[bytes]]:
    """Collect the message's bytes until their hash is verified, so that nothing damaged reaches the export."""
    stored = checked_stream(parts, sha256=sha256, size=entry.size)
    if entry.size <= CUT_BYTES:
        yield [chunk async for chunk in stored]
        return
    with tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES) as spool:
        await session.keep_alive(_collect(stored, spool))
        spool.seek(0)
        yield _chunks(spool)


async def _collect(stored: AsyncIterable[bytes], spool: IO[bytes]) -> None:
    async for chunk in stored:
        spool.write(chunk)


def _chunks(spool: IO[bytes]) -> Iterator[bytes]:
    while chunk := spool.read(_CHUNK_BYTES):
        yield chunk


def _manifest_entry(path: tuple[str, ...], entry: Entry, sha256: bytes) -> ManifestEntry:
    return ManifestEntry(
        sha256=sha256.hex(),
        folder=path,
        uid=entry.uid,
        uidvalidity=entry.uidvalidity,
        flags=tuple(entry.flags),
        internal_date=entry.internal_date,
        size=entry.size,
    )
