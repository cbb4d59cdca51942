"""Back up and restore an installation's database. The key file is separate, and its copy should be kept separately."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from pathlib import Path

from muniment.db import dump, installation
from muniment.errors import Conflict, Misconfigured, NotFound
from muniment.secrecy import Secret
from muniment.services.access.audit import Action, audited
from muniment.services.access.principal import Principal, Right
from muniment.services.operating.schema import grant_runtime
from muniment.services.resources import Resources


@audited(Action.BACKED_UP, details=("file",), ahead=True, anyway=True)
async def back_up(principal: Principal, resources: Resources, program: Path, file: Path) -> int:
    """Write the database to `file` with pg_dump and return its size in bytes; Conflict if the file exists.

    Safe at any time, also while runs are in progress. The role that Muniment works as may read everything.
    """
    principal.require(Right.ADMIN)
    if await asyncio.to_thread(file.exists):
        raise Conflict(f"{file} exists already", hint="Choose another name: a backup is never overwritten.")
    url, unencrypted = _given(resources.settings.database_url), resources.settings.unencrypted_links
    await dump.dump(program, url, file, unencrypted_links=unencrypted)
    return (await asyncio.to_thread(file.stat)).st_size


@audited(Action.RESTORED, details=("file",), anyway=True)
async def restore_backup(principal: Principal, resources: Resources, program: Path, file: Path) -> None:
    """Replace an empty installation with the one in `file`, with pg_restore.

    `resources.database` is open as the owner of the tables. Raises Conflict if the installation is not empty, and
    NotFound if the file does not exist. After any failure the empty installation is as it was.
    """
    principal.require(Right.ADMIN)
    if not await asyncio.to_thread(file.is_file):
        raise NotFound(f"there is no file {file}")
    url = resources.settings.owner_database_url or resources.settings.database_url
    async with resources.database.session() as session:
        is_bare = await installation.is_bare(session)
        if not is_bare and not await installation.is_empty(session):
            raise Conflict(
                "this installation is not empty",
                hint="Restore into a new one: an empty database, or a data folder of its own with --data.",
            )
    async with nullcontext() if is_bare else installation.put_aside(resources.database):
        await dump.restore(program, _given(url), file, unencrypted_links=resources.settings.unencrypted_links)
    await grant_runtime(resources, resources.database)


def _given(url: Secret | None) -> Secret:
    if url is None:
        raise Misconfigured("MUNIMENT_DATABASE_URL is not set")
    return url
