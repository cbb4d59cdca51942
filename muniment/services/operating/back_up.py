"""Backup and restore of an installation: its database. The key file is apart, and so should its copy be."""

from __future__ import annotations

import asyncio
from pathlib import Path

from muniment.db import dump, installation
from muniment.db.database import Database
from muniment.errors import Conflict, NotFound
from muniment.secrecy import Secret


async def back_up(program: Path, url: Secret, file: Path) -> int:
    """Write everything to `file` with pg_dump and return its size in bytes; Conflict when the file exists.

    Safe at any time, whatever runs.
    """
    if await asyncio.to_thread(file.exists):
        raise Conflict(f"{file} exists already", hint="Choose another name: a backup is never overwritten.")
    await dump.dump(program, url, file)
    return (await asyncio.to_thread(file.stat)).st_size


async def restore(program: Path, database: Database, url: Secret, file: Path) -> None:
    """Replace an empty installation by the one in `file`, with pg_restore.

    Conflict when it is not empty; NotFound when there is no such file. Whatever fails, the empty one stays as it was.
    """
    if not await asyncio.to_thread(file.is_file):
        raise NotFound(f"there is no file {file}")
    async with database.session() as session:
        if await installation.is_bare(session):
            return await dump.restore(program, url, file)
        if not await installation.is_empty(session):
            raise Conflict(
                "this installation is not empty",
                hint="Restore into a new one: an empty database, or a data folder of its own with --data.",
            )
    async with installation.put_aside(database):
        await dump.restore(program, url, file)
    return None
