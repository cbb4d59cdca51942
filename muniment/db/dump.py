"""Dumps the whole database to a file and restores it, with PostgreSQL's own programs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from muniment.errors import Misconfigured, Permanent
from muniment.secrecy import Secret

#: No compression: contents are already compressed, and compressing them again would take hours for no gain.
_DUMP = ("--format=custom", "--compress=none", "--no-owner", "--no-privileges")
#: All or nothing.
_RESTORE = ("--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error")

_TOLD_BYTES = 2000


async def dump(program: Path, url: Secret, file: Path) -> None:
    """Write a consistent dump of the database to `file`, readable only by its owner; Permanent if pg_dump fails.

    Other work continues meanwhile. The file appears only when it is complete and on disk.
    """
    draft = file.with_name(f".{file.name}.part")
    try:
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise Misconfigured(f"cannot write {file}: {error.strerror}") from error
    try:
        await _run(program, url, [*_DUMP], output=descriptor)
        await asyncio.to_thread(os.fsync, descriptor)
        draft.replace(file)
    finally:
        os.close(descriptor)
        draft.unlink(missing_ok=True)


async def restore(program: Path, url: Secret, file: Path) -> None:
    """Restore `file` into the database, which has no schema, in one transaction; Permanent if pg_restore fails."""
    await _run(program, url, [*_RESTORE, str(file)])


async def _run(program: Path, url: Secret, arguments: Sequence[str], *, output: int | None = None) -> None:
    place, password = _without_password(url)
    environ = {**os.environ, **({"PGPASSWORD": password} if password else {})}
    process = await asyncio.create_subprocess_exec(
        str(program),
        f"--dbname={place}",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL if output is None else output,
        stderr=asyncio.subprocess.PIPE,
        env=environ,
    )
    try:
        _, told = await process.communicate()
    except BaseException:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise
    if process.returncode:
        text = told.decode(errors="replace").strip()[-_TOLD_BYTES:]
        raise Permanent(f"{program.name} failed with exit code {process.returncode}: {text or 'no error message'}")


def _without_password(url: Secret) -> tuple[str, str]:
    """Split the password off a URL: command lines are visible to all users of the machine."""
    parts = urlsplit(url.reveal())
    login, at, hosts = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    return urlunsplit(parts._replace(netloc=f"{user}{at}{hosts}")), unquote(password)
