"""Options shared by several commands: the mail server, the folders to archive, and concurrency."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from muniment.cli.kit.names import Name
from muniment.cli.kit.passwords import warn_if_readable_by_all
from muniment.cli.profiles.fields import sets
from muniment.errors import Misconfigured
from muniment.model.folder_scope import FolderPattern, FolderRole, Namespace
from muniment.model.profile import Access
from muniment.model.server_kind import SERVER_KINDS
from muniment.secrecy import Secret
from muniment.services.mailboxes.access_token import token_command, token_file

_F = TypeVar("_F", bound=Callable[..., Any])
_NONE = "none"


class _Pattern(click.ParamType[str]):
    name = "pattern"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return FolderPattern.parse(value).text
        except Misconfigured as error:
            self.fail(f"{error}. {error.hint or ''}".strip(), param, ctx)


def _pem(file: Path) -> str:
    try:
        return file.read_bytes().decode("latin-1")
    except OSError as error:
        raise Misconfigured(f"cannot read {file}: {error.strerror}") from error


def _roles(given: Sequence[str]) -> list[str]:
    if _NONE in given and len(given) > 1:
        raise click.UsageError("--always-exclude none cannot be combined with a role.")
    return [role for role in given if role != _NONE]


SERVER = [
    sets(
        "server.kind",
        "--server-kind",
        type=click.Choice([kind.name for kind in SERVER_KINDS]),
        show_default=True,
        help="The mail server product; docs/reference/servers.md lists what it changes.",
    ),
    sets(
        "server.host",
        "--host",
        type=Name(),
        required=True,
        metavar="HOST",
        help="Name or IP address of the mail server; HOST:PORT sets the port as well.",
    ),
    sets(
        "server.port",
        "--port",
        type=click.IntRange(1, 65535),
        metavar="PORT",
        help="Default: 993 for imap-ssl, 995 for pop3-ssl, 143 for other IMAP, 110 for other POP3.",
    ),
    sets(
        "server.access",
        "--access",
        type=click.Choice([access.value for access in Access]),
        show_default=True,
        help="imap: unencrypted. imap-tls: STARTTLS. imap-ssl: TLS from the start. pop3…: the same for POP3, which "
        "gives access only to the inbox.",
    ),
    sets(
        "server.accept_all_certificates",
        "--accept-all-certificates",
        is_flag=True,
        help="Do not verify the server's certificate. Insecure: the connection can be intercepted. The profile then "
        "shows a warning.",
    ),
    sets(
        "server.ca_certificates",
        "--ca-file",
        value=_pem,
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Trust only certificates signed by the CA certificates in this PEM file. The profile keeps a copy.",
    ),
    sets(
        "server.certificate_sha256",
        "--certificate-sha256",
        metavar="FINGERPRINT",
        help="Trust only the server certificate with this SHA-256 fingerprint, whatever name and date it has. "
        "`profile test` shows the server's.",
    ),
]

FOLDERS = [
    sets(
        "folders.include",
        "--include",
        type=_Pattern(),
        multiple=True,
        metavar="PATTERN",
        help="Archive only folders that match PATTERN. `Projects`: the folder and its subfolders. `Projects/.`: the "
        "folder without subfolders. `||regex`: a regular expression. `|i|regex`: the same, case-insensitive. Separate "
        "folder names with /. Repeatable.",
    ),
    sets(
        "folders.exclude",
        "--exclude",
        type=_Pattern(),
        multiple=True,
        metavar="PATTERN",
        help="Do not archive folders that match PATTERN; takes precedence over --include. Repeatable.",
    ),
    sets(
        "folders.always_exclude",
        "--always-exclude",
        value=_roles,
        type=click.Choice([*(role.value for role in FolderRole), _NONE]),
        multiple=True,
        help="Folder roles that are not archived. The role is taken from the server's special-use attributes or from "
        "the folder name. Repeatable. Default: all four.",
    ),
    sets(
        "folders.namespaces",
        "--namespace",
        type=click.Choice([namespace.value for namespace in Namespace]),
        multiple=True,
        help="Which folders are archived: the user's own, those of other users that the user may read, or shared "
        "folders. Repeatable. Default: personal.",
    ),
    sets(
        "folders.sent",
        "--sent-folder",
        multiple=True,
        metavar="PATH",
        help="Folder for sent mail, archived as `Sent Items` (MDaemon's special folder). Repeatable.",
    ),
]

LIMITS = [
    sets(
        "max_jobs",
        "--max-jobs",
        type=click.IntRange(min=1),
        metavar="N",
        show_default=True,
        help="Maximum number of mailboxes archived at the same time.",
    ),
    sets(
        "server.timeout_seconds",
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        show_default=True,
        metavar="SECONDS",
        help="Timeout for connecting and for each response of the mail server.",
    ),
]


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
    for option in reversed(_TOKENS):
        command = option(command)
    return command


def token_source(file: Path | None, command: str | None) -> Secret | None:
    """Return the source of access tokens that was named, if any; UsageError when both are."""
    if file is not None and command is not None:
        raise click.UsageError("--token-file and --token-command are mutually exclusive.")
    if file is not None:
        return token_file(file)
    return token_command(command) if command is not None else None


def check_server(given: Mapping[str, Any]) -> None:
    """Raise UsageError if the options for the server contradict each other."""
    if Access(given["access"]).is_protected:
        return
    for name in ("accept_all_certificates", "ca_file", "certificate_sha256"):
        if given[name]:
            option = name.replace("_", "-")
            raise click.UsageError(f"--{option} has no effect with --access {given['access']}, which does not use TLS.")


def read_file(file: Path) -> bytes:
    """Return the bytes of a file with passwords; warn if others can read it. Misconfigured if it cannot be read."""
    warn_if_readable_by_all(file)
    try:
        return file.read_bytes()
    except OSError as error:
        raise Misconfigured(f"cannot read {file}: {error.strerror}") from error


def read_csv_file(file: Path, encoding: str | None) -> bytes:
    """Return the content of a CSV file in UTF-8; `encoding`: its code page, if it is another one.

    Misconfigured if the file cannot be read or is not in that code page.
    """
    data = read_file(file)
    if encoding is None:
        return data
    try:
        return data.decode(encoding).encode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Misconfigured(
            f"{file} is not in {encoding} (line {line})", hint="Name the code page that it was saved in."
        ) from error


class _CodePage(click.ParamType[str]):
    """A code page that Python knows."""

    name = "code page"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name; fail with a usage error if it is no text encoding."""
        try:
            b"".decode(value)
            return codecs.lookup(value).name
        except (LookupError, ValueError):
            self.fail(f"{value!r} is not a known code page, such as windows-1252 or iso-8859-2.", param, ctx)


#: `--encoding`, for every command that reads a CSV file.
encoding_option = click.option(
    "--encoding",
    type=_CodePage(),
    metavar="CODEPAGE",
    help="Code page of the CSV file, such as windows-1252. Default: UTF-8, or UTF-16 with a byte order mark.",
)
