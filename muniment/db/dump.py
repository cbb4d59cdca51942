"""Dumps: the whole database into one file and back, by PostgreSQL's own programs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from muniment.errors import Misconfigured, Permanent
from muniment.secrecy import Secret

#: Contents are compressed already: compressing them once more costs hours and gains nothing.
_DUMP = ("--format=custom", "--compress=none", "--no-owner", "--no-privileges")
#: All or nothing.
_RESTORE = ("--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error")

_TOLD_BYTES = 2000


async def dump(program: Path, url: Secret, file: Path) -> None:
    """Write the database to a new `file`, for the owner's eyes only; it appears when it is complete and durable.

    Runs beside everything else, and is the state of one moment. Permanent when pg_dump fails.
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
    """Fill the database, which must be bare, with what `file` holds, all or nothing; Permanent when pg_restore fails."""
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
        raise Permanent(f"{program.name} ended with {process.returncode}: {text or 'it said nothing'}")


def _without_password(url: Secret) -> tuple[str, str]:
    """Return the URL for a command line, which everybody on the machine can read, and the password apart."""
    parts = urlsplit(url.reveal())
    login, at, hosts = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    return urlunsplit(parts._replace(netloc=f"{user}{at}{hosts}")), unquote(password)
