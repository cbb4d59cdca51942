"""`muniment profile add`: from options to a request, with every mistake said in a sentence."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from muniment.cli.kit.connect import call
from muniment.cli.kit.errors import warn
from muniment.cli.kit.names import Address, Name, read_addresses, read_lines
from muniment.cli.kit.output import console, plural, print_warnings
from muniment.cli.kit.passwords import read_password
from muniment.cli.profiles.options import (
    FolderOptions,
    ServerOptions,
    folder_options,
    limit_options,
    read_file,
    scope_from,
    server_from,
    server_options,
    token_options,
    token_source,
)
from muniment.cli.profiles.rule_options import (
    MultidropOptions,
    RuleOptions,
    deletion_from,
    filter_from,
    multidrop_from,
    multidrop_options,
    rule_options,
    schedule_from,
)
from muniment.errors import Misconfigured
from muniment.model.login import Identity, LoginKind, LoginMethod
from muniment.model.multidrop import USUAL_MULTIDROP
from muniment.model.profile import ProfileKind
from muniment.model.server_kind import ServerKind
from muniment.secrecy import Secret
from muniment.services.profiles.submit_profile import FITTING_LOGINS, ProfileRequest, ProfileSummary, submit_profile

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_ALL = "all"


@dataclass(frozen=True)
class Options(ServerOptions, FolderOptions, RuleOptions, MultidropOptions):
    """What was typed; the names are those of the options."""

    name: str
    kind: str
    user: str | None
    password_file: Path | None
    password_stdin: bool
    login: LoginMethod | None
    mailboxes: str | None
    except_: Path | None
    sync_directory: bool
    csv: Path | None
    archive: str | None
    address: str | None
    allow_same_mailbox: bool
    no_master_mailbox: bool
    identity: str | None
    token_file: Path | None
    token_command: str | None
    replace: bool


class _Login(click.ParamType[LoginMethod]):
    name = "method"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> LoginMethod:
        try:
            return LoginMethod.parse(value)
        except Misconfigured as error:
            self.fail(f"{error}. {error.hint}", param, ctx)


@click.command("add")
@click.argument("name", type=Name())
@click.option(
    "--kind",
    type=click.Choice([kind.value for kind in ProfileKind]),
    required=True,
    help="master: many mailboxes, one privileged login. csv: many mailboxes, a login each. single: one mailbox. "
    "multidrop: one mailbox that holds the mail of many users.",
)
@server_options
@click.option("--user", metavar="USER", help="The privileged user (master), or the mailbox's login (single).")
@click.option("--password-file", type=_FILE, help="File with the password and nothing else.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option(
    "--login",
    type=_Login(),
    help="master: plain-authzid (SASL PLAIN with an authorization identity), template:'{user}*{master}' (LOGIN with a "
    "name made of both), x-masterauth (Kerio), proxyauth (Sun). single: login, or xoauth2 with a token. "
    "Default: the first one of the server's kind that the server offers, or login.",
)
@click.option(
    "--identity",
    type=click.Choice([identity.value for identity in Identity]),
    help="master: what the login calls a mailbox: its address, the user's name, or the part before the @. "
    "Default: that of the server's kind.",
)
@token_options
@click.option(
    "--mailboxes",
    metavar="all|FILE",
    help="master: `all` takes the primary address of every user (default). "
    "FILE has one address a line; users are created for unknown ones.",
)
@click.option(
    "--except",
    "except_",
    type=_FILE,
    help="master, with --mailboxes all: users to leave out, a name or an address a line.",
)
@click.option(
    "--sync-directory",
    is_flag=True,
    help="master, with --mailboxes all: synchronise the users with a directory before each run.",
)
@click.option(
    "--csv",
    type=_FILE,
    help="csv: header line, then the columns login, password, [address], [user] in this order; a fifth one that the header "
    "calls host or server names the mail server of a mailbox that is elsewhere.",
)
@click.option(
    "--archive",
    type=Name(),
    metavar="USER",
    help="single: the user whose archive it goes to, created if unknown. Default: one named like the login.",
)
@click.option(
    "--address",
    type=Address(),
    help="single: name of the mailbox's root folder in the archive; multidrop: its own address, "
    "which is nobody's. Default: the login.",
)
@folder_options
@rule_options
@multidrop_options
@limit_options
@click.option("--allow-same-mailbox", is_flag=True, help="Go on when the server opens one mailbox under two names.")
@click.option(
    "--no-master-mailbox",
    is_flag=True,
    help="master: USER has no mailbox of its own. Without this every mailbox is compared with it.",
)
@click.option("--replace", is_flag=True, help="Change the profile of this name; what it archived stays.")
def add(**options: Any) -> None:
    """Create the profile NAME.

    The password comes from a file, from standard input or from a prompt, and is stored encrypted.
    Nothing is archived yet: `muniment profile test NAME` tries the login, `muniment profile run
    NAME` archives.
    """
    given = Options(**options)
    request = request_from(given)
    summary = call(submit_profile, request, change=given.replace)
    report_profile(summary, "changed" if given.replace else "added")


def request_from(given: Options) -> ProfileRequest:
    """Return the request that the options make, with the password read.

    UsageError when the options do not fit the kind or each other; Misconfigured when a file is wrong.
    """
    kind = ProfileKind(given.kind)
    _check(given, kind)
    names_mailboxes = given.mailboxes is not None and given.mailboxes != _ALL
    return ProfileRequest(
        name=given.name,
        kind=kind,
        server=server_from(given),
        login=given.login,
        user=given.user or "",
        # Files first: nobody wants to type a password and then learn that line 3 is no address.
        mailboxes=read_addresses(Path(given.mailboxes)) if names_mailboxes and given.mailboxes else None,
        except_users=read_lines(given.except_) if given.except_ else (),
        sync_directory=given.sync_directory,
        csv=read_file(given.csv) if given.csv else None,
        archive=given.archive,
        address=given.address,
        max_jobs=given.max_jobs,
        allow_same_mailbox=given.allow_same_mailbox,
        no_master_mailbox=given.no_master_mailbox,
        server_kind=ServerKind.parse(given.server_kind),
        identity=Identity(given.identity) if given.identity else None,
        folders=scope_from(given),
        filter=filter_from(given),
        deletion=deletion_from(given),
        schedule=schedule_from(given),
        multidrop=multidrop_from(given),
        password=_password(given, kind),
    )


def _check(given: Options, kind: ProfileKind) -> None:
    """Refuse options that the kind has no use for, and miss those that it needs."""
    fitting = {"mailboxes": ProfileKind.MASTER, "identity": ProfileKind.MASTER, "csv": ProfileKind.CSV}
    fitting["archive"] = ProfileKind.SINGLE
    if kind is not ProfileKind.MULTIDROP:
        fitting["address"] = ProfileKind.SINGLE
    for option, owner in fitting.items():
        if getattr(given, option) is not None and kind is not owner:
            raise click.UsageError(f"--{option} is for --kind {owner}; leave it out of a {kind} profile.")
    if kind is ProfileKind.CSV:
        if given.csv is None:
            raise click.UsageError("--kind csv needs --csv FILE with the logins and passwords of its mailboxes.")
        if given.user or given.password_file or given.password_stdin:
            raise click.UsageError(
                "a csv profile takes users and passwords from its file: leave --user and --password-… out."
            )
    elif not given.user and not _needs_no_user(given):
        whose = "the privileged user that may open the others" if kind is ProfileKind.MASTER else "the mailbox's login"
        raise click.UsageError(f"--kind {kind} needs --user: {whose}.")
    if given.login and given.login.kind.is_privileged != (kind is ProfileKind.MASTER):
        raise click.UsageError(f"--login {given.login} is not for --kind {kind}. {FITTING_LOGINS[kind]}")
    if kind is not ProfileKind.MULTIDROP and multidrop_from(given) != USUAL_MULTIDROP:
        raise click.UsageError(f"options for multidrop profiles do not fit a {kind} profile: leave them out.")
    _check_token(given)
    _check_mailboxes(given, kind)


def _check_mailboxes(given: Options, kind: ProfileKind) -> None:
    names_file = given.mailboxes not in {None, _ALL}
    if given.sync_directory and (kind is not ProfileKind.MASTER or names_file):
        raise click.UsageError("--sync-directory is for --kind master with --mailboxes all.")
    if given.except_ and (kind is not ProfileKind.MASTER or names_file):
        raise click.UsageError("--except is for --kind master with --mailboxes all: leave users out of the file else.")
    if names_file and not Path(given.mailboxes or "").is_file():
        raise click.UsageError(f"--mailboxes {given.mailboxes}: there is no such file. Give a file, or `all`.")


def _needs_no_user(given: Options) -> bool:
    """Whether a master password opens the mailboxes, which no user has."""
    logins = (given.login,) if given.login else ServerKind.parse(given.server_kind).logins
    return given.kind == ProfileKind.MASTER and logins[0].kind is LoginKind.X_MASTERAUTH


def _check_token(given: Options) -> None:
    sources = [given.token_file, given.token_command]
    if given.login is None or given.login.kind is not LoginKind.XOAUTH2:
        if any(sources):
            raise click.UsageError("--token-file and --token-command are for --login xoauth2.")
    elif all(sources) or not any(sources):
        raise click.UsageError("--login xoauth2 needs either --token-file or --token-command.")
    elif given.password_file or given.password_stdin:
        raise click.UsageError("--login xoauth2 takes a token, no password: leave --password-… out.")


def _password(given: Options, kind: ProfileKind) -> Secret:
    if kind is ProfileKind.CSV:
        return Secret("")
    token = token_source(given.token_file, given.token_command)
    return token or read_password(given.password_file, from_stdin=given.password_stdin, user=given.user or "")


def report_profile(summary: ProfileSummary, done: str) -> None:
    """Tell what became of a profile, with what must be seen."""
    profile = summary.profile
    click.echo(f"profile {profile.name} {done}: {profile.kind}, {plural(summary.mailboxes, 'mailbox')}")
    print_warnings(profile.warnings, out=console(sys.stderr))
    if not summary.mailboxes:
        warn("no user has an address yet; `muniment user add NAME --email ADDRESS` creates one")
