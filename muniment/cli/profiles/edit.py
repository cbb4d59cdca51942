"""`muniment profile edit`, `export` and `import`: profiles as documents."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from msgspec.structs import replace

from muniment.cli.kit.connect import call, call_with_database_only
from muniment.cli.kit.names import Name, is_address, read_addresses
from muniment.cli.kit.output import print_json
from muniment.cli.kit.passwords import read_password
from muniment.cli.profiles.add import report_profile
from muniment.cli.profiles.options import encoding_option, read_csv_file, token_options, token_source
from muniment.errors import Misconfigured
from muniment.model.login import LoginKind
from muniment.model.profile import Mailboxes, ProfileDocument, ProfileKind
from muniment.secrecy import Secret
from muniment.services.profiles.edit_profile import edit_profile, export_profile, import_profile
from muniment.services.profiles.profile_document import from_toml, to_toml, with_change
from muniment.shapes.profiles import export_shape

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_NOTE = """\
# Edit this file, save it and close the editor. If you change nothing, the profile stays as it is.
# The password is not shown and is kept; to replace it: `profile edit NAME --password-file FILE`.

"""


@click.command("edit")
@click.argument("name", type=Name())
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Set a field, named as in `profile export`: server.host=mail2.example.com or "
    "folders.exclude='[\"Projects/Old\"]'. Repeatable.",
)
@click.option("--mailboxes", type=_FILE, help="master: replace the list of mailboxes; one address per line.")
@click.option("--csv", type=_FILE, help="csv: replace the mailboxes, logins and passwords with those in this file.")
@encoding_option
@click.option("--password-file", type=_FILE, help="File that contains only the new password.")
@click.option("--password-stdin", is_flag=True, help="Read the new password from standard input.")
@token_options
def edit(
    name: str,
    *,
    changes: tuple[str, ...],
    mailboxes: Path | None,
    csv: Path | None,
    encoding: str | None,
    password_file: Path | None,
    password_stdin: bool,
    token_file: Path | None,
    token_command: str | None,
) -> None:
    """Change the profile NAME. Without options, edit it as a TOML file in your editor ($EDITOR).

    Fields that you do not set keep their values, including the password. A change of the server, its port or the
    protection of the connection asks for the password again: it was entered for the old one. Archived mail is not
    affected.
    """
    old = call_with_database_only(export_profile, name)
    new = old
    for change in changes:
        new = _changed(new, change)
    if mailboxes is not None:
        if old.kind is not ProfileKind.MASTER:
            raise click.UsageError(f"--mailboxes requires a master profile; {name} is a {old.kind} profile.")
        new = replace(new, mailboxes=Mailboxes(addresses=tuple(read_addresses(mailboxes))))
    token = token_source(token_file, token_command)
    has_password = password_file is not None or password_stdin
    if encoding and csv is None:
        raise click.UsageError("--encoding is the code page of a CSV file: it requires --csv.")
    if not (changes or mailboxes or csv or has_password or token):
        new = _in_editor(old)
        if new == old:
            click.echo(f"profile {old.name} not changed")
            return
    _check(new)
    password = token or Secret("")
    if has_password or (not token and _asks_again(old, new)):
        password = read_password(password_file, from_stdin=password_stdin, user=new.login.user or name)

    summary = call(edit_profile, old, new, password=password, csv=read_csv_file(csv, encoding) if csv else None)
    report_profile(summary, "changed")


@click.command("export")
@click.argument("name", type=Name())
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of TOML.")
def export(name: str, as_json: bool) -> None:
    """Print the profile NAME as TOML, without its password.

    `muniment profile import` reads this format.
    """
    document = call_with_database_only(export_profile, name)
    if as_json:
        print_json(export_shape(document))
    else:
        click.echo(to_toml(document), nl=False)


@click.command("import")
@click.argument("file", type=_FILE)
@click.option("--name", type=Name(), help="Name of the new profile. Default: the name in FILE.")
@click.option("--csv", type=_FILE, help="csv: file with the logins and passwords of the mailboxes.")
@encoding_option
@click.option("--password-file", type=_FILE, help="File that contains only the password.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@token_options
def import_(
    file: Path,
    *,
    name: str | None,
    csv: Path | None,
    encoding: str | None,
    password_file: Path | None,
    password_stdin: bool,
    token_file: Path | None,
    token_command: str | None,
) -> None:
    """Create a profile from a TOML FILE written by `profile export`.

    The password is read from a file, from standard input or from a prompt, as for `profile add`.
    """
    document = from_toml(_text_of(file))
    document = replace(document, name=name or Name().convert(document.name, None, None))
    _check(document)
    password = token_source(token_file, token_command) or Secret("")
    if document.kind is not ProfileKind.CSV and not password:
        user = document.login.user or document.name
        password = read_password(password_file, from_stdin=password_stdin, user=user)

    summary = call(import_profile, document, password=password, csv=read_csv_file(csv, encoding) if csv else None)
    report_profile(summary, "added")


def _asks_again(old: ProfileDocument, new: ProfileDocument) -> bool:
    """Whether a prompt is needed for the password, because it would be sent to another place, or less protected."""
    by_password = new.kind is not ProfileKind.CSV and new.login.method != LoginKind.XOAUTH2
    return by_password and old.server.binding != new.server.binding and sys.stdin.isatty()


def _check(document: ProfileDocument) -> None:
    bad = [address for address in document.mailboxes.addresses if not is_address(address)]
    if bad:
        raise Misconfigured(f"{bad[0]!r} in mailboxes.addresses is not an e-mail address (expected name@example.com)")


def _changed(document: ProfileDocument, change: str) -> ProfileDocument:
    field, equals, value = change.partition("=")
    if not equals:
        raise click.UsageError(f"--set {change}: expected FIELD=VALUE, such as server.host=mail2.example.com.")
    return with_change(document, field.strip(), value.strip())


def _in_editor(document: ProfileDocument) -> ProfileDocument:
    if not sys.stdin.isatty():
        raise click.UsageError("An editor needs a terminal, and there is none: use --set FIELD=VALUE.")
    text = _NOTE + to_toml(document)
    return from_toml(click.edit(text, extension=".toml") or text)


def _text_of(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except OSError as error:
        raise Misconfigured(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Misconfigured(f"{file} is not valid UTF-8 text") from error
