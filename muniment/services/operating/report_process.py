"""Process reports: every process reports to PostgreSQL, so that `status` works without the broker."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress

from muniment import log
from muniment.db import status
from muniment.errors import Transient
from muniment.process import process_name
from muniment.services.access.principal import Principal, Right
from muniment.services.resources import Resources

_log = log.get(__name__)

#: The interval of reports in seconds, well below `show_status.SILENCE_SECONDS`.
REPORT_SECONDS = 10.0


async def report_process(principal: Principal, resources: Resources, kind: str, concurrency: int) -> None:
    """Report until cancelled, then delete the report."""
    principal.require(Right.PROCESS)
    host, pid = socket.gethostname(), os.getpid()
    name = f"{kind}@{process_name()}"
    try:
        while True:
            try:
                async with resources.database.session() as session:
                    await status.report_process(session, name, kind, host, pid, concurrency)
            except Transient as error:
                _log.warning("cannot report", error=str(error))
            await asyncio.sleep(REPORT_SECONDS)
    finally:
        with suppress(Transient):
            async with asyncio.timeout(5), resources.database.session() as session:
                await status.forget_process(session, name)


async def forget_silent_processes(principal: Principal, resources: Resources) -> None:
    """Delete the reports of processes that ended without doing so themselves."""
    principal.require(Right.PROCESS)
    async with resources.database.session() as session:
        await status.forget_silent(session)
