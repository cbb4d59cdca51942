"""Dumps the whole database to a file and restores it, with PostgreSQL's own programs.

The programs get no secret as an argument, which every user of the machine can read, and none in their environment: a
password is in a file without a name, which only they inherit.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from muniment.errors import Misconfigured, Permanent
from muniment.links import VERIFYING, wants_verified_tls
from muniment.secrecy import Secret
from muniment.settings import without_settings

#: No compression: contents are already compressed, and compressing them again would take hours for no gain.
_DUMP = ("--format=custom", "--compress=none", "--no-owner", "--no-privileges")
#: All or nothing.
_RESTORE = ("--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error")

_TOLD_BYTES = 2000
#: Options of a URL that are secrets: the password, and the passphrase of a client's private key.
_PASSWORD, _PASSPHRASE = "password", "sslpassword"
_SERVICE = "muniment"


async def dump(program: Path, url: Secret, file: Path, *, unencrypted_links: bool = False) -> None:
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
        login = _Login.of(url, os.environ, unencrypted=unencrypted_links)
        await _run(program, login, [*_DUMP], output=descriptor)
        await asyncio.to_thread(os.fsync, descriptor)
        draft.replace(file)
    finally:
        os.close(descriptor)
        draft.unlink(missing_ok=True)


async def restore(program: Path, url: Secret, file: Path, *, unencrypted_links: bool = False) -> None:
    """Restore `file` into the database, which has no schema, in one transaction; Permanent if pg_restore fails."""
    login = _Login.of(url, os.environ, unencrypted=unencrypted_links)
    await _run(program, login, [*_RESTORE, str(file)])


@dataclass(frozen=True)
class _Login:
    """How libpq's programs reach the database: an URL without secrets, and what they must not see as an argument."""

    url: str
    environ: Mapping[str, str]
    password: str = field(repr=False)
    passphrase: str = field(repr=False)

    @classmethod
    def of(cls, url: Secret, environ: Mapping[str, str], *, unencrypted: bool) -> _Login:
        parts = urlsplit(url.reveal())
        login, at, hosts = parts.netloc.rpartition("@")
        user, _, inline = login.partition(":")
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        password = options.pop(_PASSWORD, "") or unquote(inline) or environ.get("PGPASSWORD", "")
        passphrase = options.pop(_PASSPHRASE, "")
        if password:
            options.pop("passfile", None)
        if passphrase:
            options["service"] = _SERVICE
        bare = urlunsplit(parts._replace(netloc=f"{user}{at}{hosts}", query=urlencode(options, safe="/")))
        return cls(bare, _environment(url, options, environ, unencrypted=unencrypted), password, passphrase)

    @contextmanager
    def files(self) -> Iterator[tuple[dict[str, str], list[int]]]:
        """Yield variables that name the files with the secrets, and the descriptors that the program inherits."""
        texts = {}
        if self.password:
            escaped = self.password.replace("\\", "\\\\").replace(":", "\\:")
            texts["PGPASSFILE"] = f"*:*:*:*:{escaped}\n"
        if self.passphrase:
            texts["PGSERVICEFILE"] = f"[{_SERVICE}]\n{_PASSPHRASE}={self.passphrase}\n"
        descriptors: list[int] = []
        try:
            variables = {}
            for name, text in texts.items():
                descriptors.append(descriptor := os.memfd_create(name))
                os.fchmod(descriptor, 0o600)  # libpq ignores a file that others may read
                os.write(descriptor, text.encode())
                variables[name] = f"/proc/self/fd/{descriptor}"
            yield variables, descriptors
        finally:
            for descriptor in descriptors:
                os.close(descriptor)


def _environment(
    url: Secret, options: Mapping[str, str], environ: Mapping[str, str], *, unencrypted: bool
) -> dict[str, str]:
    """Return the environment for libpq, which protects the link as `Database.open` does."""
    found = without_settings(environ)
    found.pop("PGPASSWORD", None)
    if wants_verified_tls(url, unencrypted=unencrypted, environ=environ):
        found["PGSSLMODE"] = "verify-full"
        if not ("sslrootcert" in options or "PGSSLROOTCERT" in found):
            own = Path("~/.postgresql/root.crt").expanduser()
            found["PGSSLROOTCERT"] = str(own) if own.exists() else "system"
    elif not unencrypted and options.get("sslmode", found.get("PGSSLMODE")) not in VERIFYING:
        found.setdefault("PGREQUIREAUTH", "!password")  # no password in clear text; libpq 16 and newer
    return found


async def _run(program: Path, login: _Login, arguments: Sequence[str], *, output: int | None = None) -> None:
    with login.files() as (variables, descriptors):
        process = await asyncio.create_subprocess_exec(
            str(program),
            f"--dbname={login.url}",
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL if output is None else output,
            stderr=asyncio.subprocess.PIPE,
            env={**login.environ, **variables},
            pass_fds=descriptors,
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
