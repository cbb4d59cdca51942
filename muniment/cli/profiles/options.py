"""Options shared by several commands: the mail server, the folders to archive, and concurrency."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from muniment.cli.kit.names import Name
from muniment.cli.kit.passwords import warn_if_readable_by_all
from muniment.errors import Misconfigured
from muniment.model.folder_scope import USUAL, FolderPattern, FolderRole, FolderScope, Namespace
from muniment.model.profile import Access, Server
from muniment.model.server_kind import GENERIC, SERVER_KINDS
from muniment.secrecy import Secret
from muniment.services.mailboxes.access_token import token_command, token_file

_F = TypeVar("_F", bound=Callable[..., Any])
_NONE = "none"


@dataclass(frozen=True)
class ServerOptions:
    """What `server_options` and `limit_options` bring."""

    server_kind: str
    host: str
    port: int | None
    access: str
    accept_all_certificates: bool
    max_jobs: int
    timeout: float


@dataclass(frozen=True)
class FolderOptions:
    """What `folder_options` brings."""

    include: tuple[FolderPattern, ...]
    exclude: tuple[FolderPattern, ...]
    always_exclude: tuple[str, ...]
    namespace: tuple[str, ...]
    sent_folder: tuple[str, ...]


class _Pattern(click.ParamType[FolderPattern]):
    name = "pattern"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> FolderPattern:
        try:
            return FolderPattern.parse(value)
        except Misconfigured as error:
            self.fail(f"{error}. {error.hint or ''}".strip(), param, ctx)


_SERVER = [
    click.option(
        "--server-kind",
        type=click.Choice([kind.name for kind in SERVER_KINDS]),
        default=GENERIC.name,
        show_default=True,
        help="The mail server product; docs/reference/servers.md lists what it changes.",
    ),
    click.option("--host", type=Name(), required=True, metavar="HOST", help="Name or IP address of the mail server."),
    click.option(
        "--port",
        type=click.IntRange(1, 65535),
        metavar="PORT",
        help="Default: 993 for imap-ssl, 995 for pop3-ssl, 143 for other IMAP, 110 for other POP3.",
    ),
    click.option(
        "--access",
        type=click.Choice([access.value for access in Access]),
        default=Access.IMAP_SSL.value,
        show_default=True,
        help="imap: unencrypted. imap-tls: STARTTLS. imap-ssl: TLS from the start. pop3…: the same for POP3, which gives "
        "access only to the inbox.",
    ),
    click.option(
        "--accept-all-certificates",
        is_flag=True,
        help="Do not verify the server's certificate. Insecure: the connection can be intercepted. The profile then shows "
        "a warning.",
    ),
][::-1]

_FOLDERS = [
    click.option(
        "--include",
        type=_Pattern(),
        multiple=True,
        metavar="PATTERN",
        help="Archive only folders that match PATTERN. `Projects`: the folder and its subfolders. `Projects/.`: the "
        "folder without subfolders. `||regex`: a regular expression. `|i|regex`: the same, case-insensitive. Separate "
        "folder names with /. Repeatable.",
    ),
    click.option(
        "--exclude",
        type=_Pattern(),
        multiple=True,
        metavar="PATTERN",
        help="Do not archive folders that match PATTERN; takes precedence over --include. Repeatable.",
    ),
    click.option(
        "--always-exclude",
        type=click.Choice([*(role.value for role in FolderRole), _NONE]),
        multiple=True,
        help="Folder roles that are not archived. The role is taken from the server's special-use attributes or from the "
        "folder name. Repeatable. Default: all four.",
    ),
    click.option(
        "--namespace",
        type=click.Choice([namespace.value for namespace in Namespace]),
        multiple=True,
        help="Which folders are archived: the user's own, those of other users that the user may read, or shared folders. "
        "Repeatable. Default: personal.",
    ),
    click.option(
        "--sent-folder",
        multiple=True,
        metavar="PATH",
        help="Folder for sent mail, archived as `Sent Items` (MDaemon's special folder). Repeatable.",
    ),
][::-1]

_LIMITS = [
    click.option(
        "--max-jobs",
        type=click.IntRange(min=1),
        metavar="N",
        default=10,
        show_default=True,
        help="Maximum number of mailboxes archived at the same time.",
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        default=60.0,
        show_default=True,
        metavar="SECONDS",
        help="Timeout for connecting and for each response of the mail server.",
    ),
][::-1]


_TOKENS = [
    click.option(
        "--token-file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="xoauth2: file with an access token. Read before every login, so it must exist on every machine that runs "
        "archive workers.",
    ),
    click.option(
        "--token-command",
        metavar="COMMAND",
        help="xoauth2: command that prints an access token. Executed before every login, on every machine that runs "
        "archive workers.",
    ),
][::-1]


def token_options(command: _F) -> _F:
    """Add the options that say where access tokens come from."""
    return _with(_TOKENS, command)


def token_source(file: Path | None, command: str | None) -> Secret | None:
    """Return the source of access tokens that was named, if any; UsageError when both are."""
    if file is not None and command is not None:
        raise click.UsageError("--token-file and --token-command are mutually exclusive.")
    if file is not None:
        return token_file(file)
    return token_command(command) if command is not None else None


def server_options(command: _F) -> _F:
    """Add the options that say where a mail server is."""
    return _with(_SERVER, command)


def folder_options(command: _F) -> _F:
    """Add the options that say which folders are archived."""
    return _with(_FOLDERS, command)


def limit_options(command: _F) -> _F:
    """Add the options that say how many at once, and how long."""
    return _with(_LIMITS, command)


def _with(options: Sequence[Callable[[Any], Any]], command: _F) -> _F:
    for option in options:
        command = option(command)
    return command


def server_from(given: ServerOptions) -> Server:
    """Return the server; UsageError when its options do not fit each other."""
    if given.accept_all_certificates and not Access(given.access).is_protected:
        raise click.UsageError(
            f"--accept-all-certificates has no effect with --access {given.access}, which does not use TLS."
        )
    access = Access(given.access)
    return Server(
        host=given.host,
        port=given.port or access.default_port,
        access=access,
        accept_all_certificates=given.accept_all_certificates,
        timeout_seconds=given.timeout,
    )


def scope_from(given: FolderOptions) -> FolderScope:
    """Return which folders are archived; UsageError when the options contradict each other."""
    if _NONE in given.always_exclude and len(given.always_exclude) > 1:
        raise click.UsageError("--always-exclude none cannot be combined with a role.")
    roles = [FolderRole(role) for role in given.always_exclude if role != _NONE]
    return FolderScope(
        include=given.include,
        exclude=given.exclude,
        always_exclude=frozenset(roles) if given.always_exclude else USUAL.always_exclude,
        namespaces=frozenset(map(Namespace, given.namespace)) or USUAL.namespaces,
        sent=given.sent_folder,
    )


def read_file(file: Path) -> bytes:
    """Return the bytes of a file with passwords, with a warning when others can read it; Misconfigured when it cannot be read."""
    warn_if_readable_by_all(file)
    try:
        return file.read_bytes()
    except OSError as error:
        raise Misconfigured(f"cannot read {file}: {error.strerror}") from error
