"""`muniment profile add`: converts options to a request and explains every invalid combination."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import click

from muniment.cli.kit.connect import call
from muniment.cli.kit.errors import warn
from muniment.cli.kit.names import Address, Name, read_addresses, read_lines
from muniment.cli.kit.output import console, plural, print_warnings
from muniment.cli.kit.passwords import read_password
from muniment.cli.profiles.fields import document_from, field_options, sets
from muniment.cli.profiles.options import (
    FOLDERS,
    LIMITS,
    SERVER,
    check_server,
    encoding_option,
    read_csv_file,
    token_options,
    token_source,
)
from muniment.cli.profiles.rule_options import MULTIDROP, RULES, check_rules, rule_defaults
from muniment.errors import Misconfigured
from muniment.model.login import Identity, LoginKind, LoginMethod
from muniment.model.multidrop import USUAL_MULTIDROP
from muniment.model.profile import ProfileDocument, ProfileKind
from muniment.model.server_kind import ServerKind
from muniment.secrecy import Secret
from muniment.services.profiles.submit_profile import FITTING_LOGINS, ProfileRequest, ProfileSummary, submit_profile

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_ALL = "all"


@dataclass(frozen=True)
class _Given:
    """The options that are checked against each other, and those that set no field of a profile."""

    kind: str
    user: str | None
    password_file: Path | None
    password_stdin: bool
    login: LoginMethod | None
    server_kind: str
    identity: str | None
    mailboxes: str | None
    except_: Path | None
    sync_directory: bool
    csv: Path | None
    encoding: str | None
    archive: str | None
    address: str | None
    token_file: Path | None
    token_command: str | None


class _Login(click.ParamType[LoginMethod]):
    name = "method"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> LoginMethod:
        try:
            return LoginMethod.parse(value)
        except Misconfigured as error:
            self.fail(f"{error}. {error.hint}", param, ctx)


_KIND = sets(
    "kind",
    "--kind",
    type=click.Choice([kind.value for kind in ProfileKind]),
    required=True,
    help="master: many mailboxes, one privileged login. csv: many mailboxes, each with its own login. single: one "
    "mailbox. multidrop: one mailbox that collects the mail of many users.",
)
_USER = sets(
    "login.user",
    "--user",
    metavar="USER",
    help="master: the privileged user. single and multidrop: the login of the mailbox.",
)
_LOGIN = [
    sets(
        "login.method",
        "--login",
        value=str,
        type=_Login(),
        help="Login method. master: plain-authzid (SASL PLAIN with an authorization identity), "
        "template:'{user}*{master}' (LOGIN with a name built from both), x-masterauth (Kerio) or proxyauth "
        "(Sun). single: login, or xoauth2 with an access token. Default for master: the first method of "
        "--server-kind that the server offers; otherwise: login.",
    ),
    sets(
        "login.identity",
        "--identity",
        type=click.Choice([identity.value for identity in Identity]),
        help="master: how the login names a mailbox: by its address, by the user's name, or by the part before the @. "
        "Default: depends on --server-kind.",
    ),
]
_USERS = [
    sets(
        "mailboxes.but_not",
        "--except",
        "except_",
        value=read_lines,
        type=_FILE,
        help="master, with --mailboxes all: file of users to leave out, one name or address per line.",
    ),
    sets(
        "mailboxes.sync_directory",
        "--sync-directory",
        is_flag=True,
        help="master, with --mailboxes all: synchronise the users with a directory before each run.",
    ),
]
_ARCHIVE = [
    sets(
        "mailboxes.archive",
        "--archive",
        type=Name(),
        metavar="USER",
        help="single: user whose archive receives the mail; created if unknown. Default: a user named like the login.",
    ),
    sets(
        "mailboxes.address",
        "--address",
        type=Address(),
        help="single: name of the mailbox's root folder in the archive. multidrop: address of the mailbox itself, "
        "which belongs to no user. Default: the login.",
    ),
]
_SAFETY = [
    sets(
        "allow_same_mailbox",
        "--allow-same-mailbox",
        is_flag=True,
        help="Continue if the server opens the same mailbox under two names.",
    ),
    sets(
        "no_master_mailbox",
        "--no-master-mailbox",
        is_flag=True,
        help="master: USER has no mailbox of its own. Without this option, every mailbox is compared with "
        "USER's mailbox.",
    ),
]
#: Every option of `profile add` that sets a field.
FIELDS = [_KIND, *SERVER, _USER, *_LOGIN, *_USERS, *_ARCHIVE, *FOLDERS, *RULES, *MULTIDROP, *LIMITS, *_SAFETY]


@click.command("add")
@click.argument("name", type=Name())
@field_options([_KIND, *SERVER, _USER])
@click.option("--password-file", type=_FILE, help="File that contains only the password.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@field_options(_LOGIN)
@token_options
@click.option(
    "--mailboxes",
    metavar="all|FILE",
    help="master: the mailboxes to archive. `all`: the primary address of every user (default). FILE: one address per "
    "line; users are created for unknown addresses.",
)
@field_options(_USERS)
@click.option(
    "--csv",
    type=_FILE,
    help="csv: file with a header line and the columns login, password, [address], [user] in this order. A fifth "
    "column named host or server gives the mail server of mailboxes that are on a different server.",
)
@encoding_option
@field_options([*_ARCHIVE, *FOLDERS, *RULES, *MULTIDROP, *LIMITS, *_SAFETY])
@click.option("--replace", is_flag=True, help="Change the existing profile NAME. Archived mail is kept.")
def add(**options: Any) -> None:
    """Create the profile NAME.

    The password is read from a file, from standard input or from a prompt, and is stored encrypted. This command
    archives nothing: run `muniment profile test NAME` to test the login and `muniment profile run NAME` to archive.
    """
    summary = call(submit_profile, request_from(options), change=options["replace"])
    report_profile(summary, "changed" if options["replace"] else "added")


def request_from(options: Mapping[str, Any]) -> ProfileRequest:
    """Convert the options to a request, including the password.

    Raises UsageError if the options do not match the kind or each other, Misconfigured if a file is invalid.
    """
    given = _Given(**{field.name: options[field.name] for field in fields(_Given)})
    kind = ProfileKind(given.kind)
    _check(given, kind)
    check_server(options)
    check_rules(options)
    # Read files first: report an invalid line before prompting for the password.
    values = {"name": options["name"], "mailboxes": _mailboxes(given, kind), **rule_defaults(options)}
    document = document_from(FIELDS, options, values)
    _check_multidrop(document)
    csv = read_csv_file(given.csv, given.encoding) if given.csv else None
    return ProfileRequest(document, _password(given, kind), csv)


def _mailboxes(given: _Given, kind: ProfileKind) -> dict[str, object]:
    if given.mailboxes is None or given.mailboxes == _ALL:
        return {"all": kind is ProfileKind.MASTER}
    return {"addresses": read_addresses(Path(given.mailboxes))}


def _check_multidrop(document: ProfileDocument) -> None:
    if document.kind is not ProfileKind.MULTIDROP and document.multidrop != USUAL_MULTIDROP:
        raise click.UsageError(f"A {document.kind} profile does not support the multidrop options: omit them.")


def _check(given: _Given, kind: ProfileKind) -> None:
    """Raise UsageError for options that the kind does not support and for missing required ones."""
    fitting = {"mailboxes": ProfileKind.MASTER, "identity": ProfileKind.MASTER, "csv": ProfileKind.CSV}
    fitting["archive"] = ProfileKind.SINGLE
    if kind is not ProfileKind.MULTIDROP:
        fitting["address"] = ProfileKind.SINGLE
    for option, owner in fitting.items():
        if getattr(given, option) is not None and kind is not owner:
            raise click.UsageError(f"--{option} requires --kind {owner}; a {kind} profile does not support it.")
    if kind is ProfileKind.CSV:
        if given.csv is None:
            raise click.UsageError("--kind csv requires --csv FILE with the logins and passwords of the mailboxes.")
        if given.user or given.password_file or given.password_stdin:
            raise click.UsageError(
                "A csv profile reads logins and passwords from its file: omit --user and --password-…."
            )
    elif given.encoding:
        raise click.UsageError("--encoding is the code page of a CSV file: it requires --kind csv.")
    elif not given.user and not _needs_no_user(given):
        whose = "the privileged user" if kind is ProfileKind.MASTER else "the login of the mailbox"
        raise click.UsageError(f"--kind {kind} requires --user: {whose}.")
    if given.login and given.login.kind.is_privileged != (kind is ProfileKind.MASTER):
        raise click.UsageError(f"--login {given.login} does not work with --kind {kind}. {FITTING_LOGINS[kind]}")
    _check_token(given)
    _check_mailboxes(given, kind)


def _check_mailboxes(given: _Given, kind: ProfileKind) -> None:
    names_file = given.mailboxes not in {None, _ALL}
    if given.sync_directory and (kind is not ProfileKind.MASTER or names_file):
        raise click.UsageError("--sync-directory requires --kind master and --mailboxes all.")
    if given.except_ and (kind is not ProfileKind.MASTER or names_file):
        raise click.UsageError(
            "--except requires --kind master and --mailboxes all. With a file of mailboxes, omit the users there."
        )
    if names_file and not Path(given.mailboxes or "").is_file():
        raise click.UsageError(f"--mailboxes {given.mailboxes}: no such file. Specify a file, or `all`.")


def _needs_no_user(given: _Given) -> bool:
    """Whether the login uses only a master password, without a user name."""
    logins = (given.login,) if given.login else ServerKind.parse(given.server_kind).logins
    return given.kind == ProfileKind.MASTER and logins[0].kind is LoginKind.X_MASTERAUTH


def _check_token(given: _Given) -> None:
    sources = [given.token_file, given.token_command]
    if given.login is None or given.login.kind is not LoginKind.XOAUTH2:
        if any(sources):
            raise click.UsageError("--token-file and --token-command require --login xoauth2.")
    elif all(sources) or not any(sources):
        raise click.UsageError("--login xoauth2 requires either --token-file or --token-command.")
    elif given.password_file or given.password_stdin:
        raise click.UsageError("--login xoauth2 uses an access token, not a password: omit --password-….")


def _password(given: _Given, kind: ProfileKind) -> Secret:
    if kind is ProfileKind.CSV:
        return Secret("")
    token = token_source(given.token_file, given.token_command)
    return token or read_password(given.password_file, from_stdin=given.password_stdin, user=given.user or "")


def report_profile(summary: ProfileSummary, done: str) -> None:
    """Print what was done to a profile, and its warnings."""
    profile = summary.profile
    click.echo(f"profile {profile.name} {done}: {profile.kind}, {plural(summary.mailboxes, 'mailbox')}")
    print_warnings(profile.warnings, out=console(sys.stderr))
    if not summary.mailboxes:
        warn("no user has an e-mail address yet; to add one: `muniment user add NAME --email ADDRESS`")
