"""Settings, read once from the environment into a frozen dataclass.

Each field corresponds to one environment variable, `MUNIMENT_` plus its name in upper case, and carries its own
documentation, from which the settings reference is generated. A secret can be read from a file instead:
`MUNIMENT_REDIS_URL_FILE` names a file that contains the value of `MUNIMENT_REDIS_URL`.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import platformdirs

from muniment import links
from muniment.errors import Misconfigured
from muniment.secrecy import Secret, create_private_file

PREFIX = "MUNIMENT_"
_FILE = "_FILE"
_KIB = 1024
_MIB = 1024 * _KIB
_INDEX_NAME = re.compile(r"[a-z][a-z0-9_-]{0,60}")

#: Kinds of attachments that can be read (`muniment.attachments.Kind`).
READ_KINDS = frozenset("archive html message pdf presentation rtf smime spreadsheet text tnef word".split())


def _setting(default: object, parse: Callable[[str], object], doc: str) -> Any:
    return field(default=default, metadata={"parse": parse, "doc": doc})


def _data_folder() -> Path:
    try:
        return Path(platformdirs.user_data_dir("muniment"))
    except RuntimeError:  # no HOME and an unknown account, as in containers
        return Path("/var/lib/muniment")


def _flag(text: str) -> bool:
    try:
        return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[text.lower()]
    except KeyError:
        raise ValueError("expected true or false") from None


def _level(text: str) -> str:
    if text.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise ValueError("expected DEBUG, INFO, WARNING or ERROR")
    return text.upper()


def _positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    def parse(text: str) -> float:
        value = kind(text)
        if not 0 < value < math.inf:
            raise ValueError("expected a number above 0")
        return value

    return parse


def _at_least_zero(text: str) -> float:
    value = float(text)
    if not 0 <= value < math.inf:
        raise ValueError("expected a number, 0 or above")
    return value


def _port(text: str) -> int:
    value = int(text)
    if not 0 < value < 65536:
        raise ValueError("expected a port, 1 to 65535")
    return value


def _index_name(text: str) -> str:
    if not _INDEX_NAME.fullmatch(text):
        raise ValueError("expected lower-case letters, digits, - and _, starting with a letter")
    return text


def _kinds(text: str) -> frozenset[str]:
    chosen = frozenset(text.replace(",", " ").split()) - {"none"}
    if unknown := chosen - READ_KINDS:
        raise ValueError(f"{min(unknown)} is not one of {' '.join(sorted(READ_KINDS))}")
    return chosen


def _sandbox(text: str) -> str:
    if text not in {"require", "best-effort"}:
        raise ValueError("expected require or best-effort")
    return text


_count = _positive(int)
_amount = _positive(float)


@dataclass(frozen=True)
class Settings:
    """Everything that an operator can configure. URLs are secrets because they may contain passwords."""

    data: Path = _setting(_data_folder(), Path, "Data folder: the embedded servers, the key file and the spool.")
    database_url: Secret | None = _setting(None, Secret, "URL of PostgreSQL, `postgresql://…`. Unset: embedded server.")
    owner_database_url: Secret | None = _setting(
        None,
        Secret,
        "URL of the same database for the role that owns the tables. Only `muniment migrate`, `restore` and `roles` use"
        " it; workers must not have it. Unset: MUNIMENT_DATABASE_URL.",
    )
    admin_database_url: Secret | None = _setting(
        None,
        Secret,
        "URL of the same database for an administrator of PostgreSQL, who may create roles. Only `muniment roles` uses"
        " it.",
    )
    redis_url: Secret | None = _setting(None, Secret, "URL of Redis or Valkey, `redis://…`. Unset: embedded server.")
    opensearch_url: Secret | None = _setting(
        None,
        Secret,
        "URL of OpenSearch, `https://user:password@host:9200`. Unset: searches run in PostgreSQL.",
    )
    opensearch_ca_file: Path | None = _setting(
        None, Path, "CA certificate that signed OpenSearch's certificate. Unset: the CAs that the system trusts."
    )
    opensearch_certificate_file: Path | None = _setting(
        None, Path, "Client certificate that Muniment presents to OpenSearch, PEM."
    )
    opensearch_key_file: Path | None = _setting(
        None, Path, "Private key of the client certificate, PEM. Unset: in the certificate file."
    )
    opensearch_prefix: str = _setting(
        "muniment", _index_name, "Alias that is searched, and prefix of the names of all indexes."
    )
    unencrypted_links: bool = _setting(
        False,
        _flag,
        "Permit passwords in clear text, and PostgreSQL without TLS, on links to other machines. Only for a network "
        "that nobody else can reach, such as Compose's; every process warns. See docs/how-to/protect-links.md.",
    )
    secret_key_file: Path | None = _setting(
        None, Path, "Key that encrypts stored credentials. Unset: `secret.key` in the data folder."
    )
    archive_processes: int = _setting(
        1, _count, "Number of archive workers that `muniment up` starts; each uses at most one core."
    )
    archive_concurrency: int = _setting(
        20, _count, "Number of mailboxes that one archive worker archives at the same time."
    )
    index_concurrency: int = _setting(1, _count, "Number of processes of an index worker.")
    tick_seconds: float = _setting(1.0, _amount, "Interval of the scheduler.")
    lease_seconds: float = _setting(
        60.0, _amount, "If a worker is silent for this time, its jobs are given to another worker."
    )
    slice_seconds: float = _setting(120.0, _amount, "A job releases its worker after this time, and continues later.")
    slice_bytes: int = _setting(1024 * _MIB, _count, "A job also releases its worker after archiving this many bytes.")
    turn_seconds: float = _setting(
        10.0,
        _at_least_zero,
        "A worker's task continues with further mailboxes of the same run for this time. 0: one task per mailbox.",
    )
    batch_messages: int = _setting(500, _count, "Maximum number of messages per FETCH and per transaction.")
    batch_bytes: int = _setting(
        8 * _MIB, _count, "Maximum size of a FETCH and of a transaction; a larger message is fetched on its own."
    )
    memory_budget_bytes: int = _setting(
        128 * _MIB, _count, "Maximum number of message bytes in flight per worker process."
    )
    spool_bytes: int = _setting(4 * _MIB, _count, "Larger messages are spooled to a file instead of held in memory.")
    max_message_bytes: int = _setting(2048 * _MIB, _count, "Larger messages are quarantined without being fetched.")
    substitutes_file: Path | None = _setting(
        None,
        Path,
        "File with more patterns of messages that a mail server delivers in place of others; see "
        "docs/how-to/handle-missing-messages.md. Unset: the patterns that Muniment brings along.",
    )
    server_connections: int | None = _setting(
        None,
        _count,
        "Maximum connections per mail server, for all workers together. Unset: learned from the server's refusals.",
    )
    server_commands_per_second: float | None = _setting(
        None, _amount, "Maximum commands per second per mail server, for all workers together. Unset: no limit."
    )
    server_bytes_per_second: float | None = _setting(
        None, _amount, "Maximum message bytes per second per mail server, for all workers together. Unset: no limit."
    )
    idle_transaction_seconds: float = _setting(
        60.0,
        _amount,
        "PostgreSQL ends a transaction, and releases its locks, if its process has been silent this long.",
    )
    stop_seconds: float = _setting(
        25.0,
        _amount,
        "After SIGTERM, a worker exits within this time. Jobs that it cannot hand back continue when their "
        "leases expire.",
    )
    job_attempts: int = _setting(
        10, _count, "Number of consecutive attempts without progress after which a mailbox's job fails."
    )
    retry_first_seconds: float = _setting(2.0, _amount, "Delay before the second attempt; doubles with each attempt.")
    retry_cap_seconds: float = _setting(300.0, _amount, "Maximum delay between two attempts.")
    compare_hours: float = _setting(
        24.0,
        _amount,
        "A folder is opened, and its UIDs and flags are compared with the archive, at least this often, even if its "
        "STATUS stands still.",
    )
    compare_messages: int = _setting(
        50_000,
        _count,
        "A folder with more messages than this is compared less often: the interval is once more as long for each "
        "further such number, up to 7 times.",
    )
    stale_hours: float = _setting(
        48.0,
        _amount,
        "A mailbox is stale if no run has completed it within this time, or if UIDs of a folder were last compared "
        "longer ago than this and than its interval plus `MUNIMENT_COMPARE_HOURS`.",
    )
    store_messages: int = _setting(
        5_000_000, _count, "When the current archive store holds this many messages, a new one is created."
    )
    index_batch: int = _setting(200, _count, "Number of messages indexed per transaction.")
    index_attachments: frozenset[str] = _setting(
        READ_KINDS, _kinds, "Kinds of attachments whose text is indexed, separated by spaces, or `none`."
    )
    attachment_sandbox: str = _setting(
        "best-effort",
        _sandbox,
        "`require`: read no attachment if the kernel cannot shut its reader off from files, network and processes. "
        "`best-effort`: raise the barriers that the kernel offers, and log those that are missing.",
    )
    reconcile_hours: float = _setting(24.0, _amount, "Interval at which the index is compared with the archive.")
    search_seconds: float = _setting(
        60.0, _amount, "A search that takes longer than this is given up, with an error; snippets are left out."
    )
    administrators_search: bool = _setting(
        False,
        _flag,
        "Allow administrators to search the archives of all users. Every such search is recorded in the audit log.",
    )
    flower_port: int = _setting(5555, _port, "Port of Flower.")
    flower_address: str = _setting("127.0.0.1", str, "Address that Flower listens on.")
    flower_user: str = _setting("admin", str, "User name for Flower.")
    flower_password_file: Path | None = _setting(
        None,
        Path,
        "File with the password for Flower. Unset: `flower.password` in the data folder, created on first use.",
    )
    metrics_port: int | None = _setting(
        None,
        _port,
        "Port of /metrics, /healthz and /readyz. Unset: disabled. `muniment up` uses this port and the following ones;"
        " see docs/how-to/monitor.md.",
    )
    metrics_address: str = _setting(
        "127.0.0.1", str, "Address that the metrics port listens on. There is no authentication."
    )
    metrics_mailboxes: int = _setting(
        100,
        _count,
        "Number of mailboxes with a metric of their own, labelled with their address: those proven complete "
        "longest ago.",
    )
    log_level: str = _setting("INFO", _level, "Log level: DEBUG, INFO, WARNING or ERROR.")
    log_json: bool = _setting(False, _flag, "Write log lines as JSON.")

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Read every `MUNIMENT_*` variable; raise Misconfigured for an unknown or invalid one."""
        known = {variable(f) for f in fields(cls)} | {file_variable(f) for f in fields(cls)}
        for name in sorted(n for n in environ if n.startswith(PREFIX) and n not in known):
            raise Misconfigured(f"unknown setting {name}", hint="docs/reference/settings.md lists all settings.")
        return cls(**{f.name: _parse(f, text) for f in fields(cls) if (text := _text(f, environ))})

    def check_links(self) -> list[str]:
        """Return a warning for each link to a server that is not protected.

        Raises Misconfigured if a link would tell a password to others, without permission.
        """
        may = self.unencrypted_links
        found = [links.database_link(self.database_url, unencrypted=may)] if self.database_url else []
        found += [links.redis_link(self.redis_url)] if self.redis_url else []
        found += [links.opensearch_link(self.opensearch_url)] if self.opensearch_url else []
        return links.check(found, unencrypted=may)

    @property
    def for_workers(self) -> Settings:
        """These settings without what only an administrator's commands use."""
        return replace(self, owner_database_url=None, admin_database_url=None)

    @property
    def key_file(self) -> Path:
        """The path of the key file."""
        return self.secret_key_file or self.data / "secret.key"

    @property
    def spool(self) -> Path:
        """The folder for messages too large to keep in memory."""
        return self.data / "spool"


def variable(setting: Field[Any]) -> str:
    """Return the environment variable of a setting."""
    return PREFIX + setting.name.upper()


def file_variable(setting: Field[Any]) -> str | None:
    """Return the variable that names a file with this setting's value; None for settings that are not secret."""
    return variable(setting) + _FILE if setting.metadata["parse"] is Secret else None


def environment(settings: Settings, folder: Path) -> dict[str, str]:
    """Return the environment from which a child process reads exactly these settings.

    Secrets are written to files in `folder`, readable only by their owner, and the environment names those files: an
    environment is inherited, shown by tools and written into crash reports.
    """
    found = {}
    for setting in fields(Settings):
        value, from_file = getattr(settings, setting.name), file_variable(setting)
        if isinstance(value, Secret) and from_file is not None:
            path = folder / setting.name
            path.unlink(missing_ok=True)
            create_private_file(path, value.reveal().encode())
            found[from_file] = str(path)
        elif value is not None:
            found[variable(setting)] = _text_of(value)
    return found


def without_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without settings: for programs that are not Muniment, which need not know its secrets."""
    return {name: value for name, value in environ.items() if not name.startswith(PREFIX)}


def _text_of(value: object) -> str:
    if isinstance(value, frozenset):
        return " ".join(sorted(value)) or "none"
    return str(value)


def _parse(setting: Field[Any], text: str) -> Any:
    try:
        return setting.metadata["parse"](text)
    except ValueError as error:
        raise Misconfigured(f"{variable(setting)}={text!r} is not valid: {error}") from error


def _text(setting: Field[Any], environ: Mapping[str, str]) -> str:
    """Return the text of a setting from its variable or its file; empty if it is not set."""
    name, from_file = variable(setting), file_variable(setting)
    if from_file is None or not environ.get(from_file):
        return environ.get(name, "")
    if environ.get(name):
        raise Misconfigured(f"both {name} and {from_file} are set", hint="Set only one of them.")
    return _read(Path(environ[from_file]), from_file)


def _read(path: Path, name: str) -> str:
    try:
        text = path.read_text("utf-8").strip()
    except OSError as error:
        raise Misconfigured(f"cannot read {path}, named by {name}: {error.strerror}") from error
    except UnicodeDecodeError:
        # Not chained: the error contains the file's bytes, which are secret.
        raise Misconfigured(f"{path}, named by {name}, is not valid UTF-8 text") from None
    if not text:
        raise Misconfigured(f"{path}, named by {name}, is empty")
    return text
