"""`muniment up`: all of Muniment on one machine."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import click

from muniment import log
from muniment.cli.kit.connect import operator, settings
from muniment.embedded.up import up as run_all
from muniment.resources import open_database_as_owner, open_database_only
from muniment.sealing import KeyRing
from muniment.services.operating.schema import apply_migrations
from muniment.services.operating.seal_again import bind_passwords
from muniment.services.operating.show_status import show_processes
from muniment.settings import Settings

_log = log.get(__name__)

#: Number of processes of each kind that must report before jobs can run.
KINDS = {"scheduler": 1, "archive": 1, "index": 1}


@click.command("up")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False, readable=False),
    envvar="MUNIMENT_DATA",
    show_envvar=True,
    help="Data folder. Default: your personal data folder.",
)
@click.option(
    "--archive-concurrency",
    type=click.IntRange(min=1),
    metavar="N",
    envvar="MUNIMENT_ARCHIVE_CONCURRENCY",
    show_envvar=True,
    show_default="20",
    help="Mailboxes that each archive worker archives at the same time.",
)
@click.option(
    "--archive-processes",
    type=click.IntRange(min=1),
    metavar="N",
    envvar="MUNIMENT_ARCHIVE_PROCESSES",
    show_envvar=True,
    show_default="1",
    help="Number of archive workers; each uses at most one core.",
)
@click.option(
    "--index-concurrency",
    type=click.IntRange(min=1),
    metavar="N",
    envvar="MUNIMENT_INDEX_CONCURRENCY",
    show_envvar=True,
    show_default="1",
    help="Number of index processes.",
)
def up(
    data: Path | None, archive_concurrency: int | None, archive_processes: int | None, index_concurrency: int | None
) -> int:
    """Run the databases, the scheduler, and the archive and index workers in the foreground, until Ctrl-C.

    Prints `ready` when jobs can run. Logs are in the subfolder log/ of the data folder. Set MUNIMENT_DATABASE_URL and
    MUNIMENT_REDIS_URL to use your own servers instead of the embedded ones. Only one `up` can run per data folder.
    """
    found = settings()
    found = replace(
        found,
        data=data or found.data,
        archive_concurrency=archive_concurrency or found.archive_concurrency,
        archive_processes=archive_processes or found.archive_processes,
        index_concurrency=index_concurrency or found.index_concurrency,
    )
    log.configure(found.log_level, json=found.log_json)
    watch = _Processes(is_alone=found.database_url is None)
    return asyncio.run(
        run_all(
            found,
            prepare=watch.prepare,
            ready=watch.all_report,
            announce=click.echo,
        )
    )


class _Processes:
    """Detects when the processes of this `up` report, as opposed to those of an earlier, killed `up`."""

    def __init__(self, *, is_alone: bool) -> None:
        self._is_alone = is_alone  # nobody else uses this database
        self._before: dict[str, datetime] = {}

    async def prepare(self, resolved: Settings) -> None:
        """Update the schema, and remember existing reports: they come from processes that have exited."""
        for told in resolved.check_links():
            _log.warning("unprotected link", warning=told)
        async with open_database_as_owner(resolved) as resources:
            await apply_migrations(operator(), resources)
        async with open_database_only(resolved) as resources:
            if self._is_alone:  # so no process of an older version works that could not read the passwords
                await bind_passwords(operator(), resources, KeyRing.from_key_file(resolved.key_file))
            found = await show_processes(operator(), resources)
        self._before = {process.name: process.seen for process in found}

    async def all_report(self, resolved: Settings) -> bool:
        """Return whether enough processes of each kind on this machine have reported since `prepare`."""
        async with open_database_only(resolved) as resources:
            found = await show_processes(operator(), resources)
        host = socket.gethostname()
        fresh = Counter(p.kind for p in found if p.host == host and self._before.get(p.name) != p.seen)
        return fresh >= Counter(KINDS | {"archive": resolved.archive_processes})
