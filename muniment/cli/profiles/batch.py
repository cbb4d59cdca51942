"""`muniment batch`: many mailboxes from one CSV file."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import click

from muniment.cli.kit.connect import call
from muniment.cli.kit.exit_codes import ExitCode
from muniment.cli.kit.names import Name
from muniment.cli.kit.output import plural
from muniment.cli.profiles.fields import document_from, field_options
from muniment.cli.profiles.login_table import show_checks
from muniment.cli.profiles.options import FOLDERS, LIMITS, SERVER, check_server, encoding_option, read_csv_file
from muniment.cli.profiles.rule_options import RULES, check_rules, rule_defaults
from muniment.cli.runs.follow import follow
from muniment.model.profile import ProfileKind
from muniment.services.access.principal import Principal
from muniment.services.doctor.check_logins import check_rows
from muniment.services.profiles.csv_mailboxes import CsvMailbox, read_csv
from muniment.services.profiles.submit_profile import ProfileRequest, ProfileSummary, profile_exists, submit_profile
from muniment.services.resources import Resources
from muniment.services.runs.lifecycle import start_run


@dataclass(frozen=True)
class _Given:
    """The options that set no field of a profile."""

    file: Path
    encoding: str | None
    name: str | None
    check: bool
    report: Path | None
    run: bool
    wait: bool
    as_json: bool


#: Names shown with --check.
_NAMES = 10

_FIELDS = [*SERVER, *FOLDERS, *RULES, *LIMITS]


@click.group()
def batch() -> None:
    """Archive many mailboxes listed in a CSV file."""


@batch.command("submit")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--name", type=Name(), help="Name of the profile. Default: the file name without its extension.")
@encoding_option
@field_options(_FIELDS)
@click.option(
    "--check", is_flag=True, help="Only log in to every mailbox, --max-jobs at a time; store and archive nothing."
)
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="CSV",
    help="With --check: write the result of every row to this file.",
)
@click.option("--run", is_flag=True, help="Start archiving immediately and print the run's id.")
@click.option("--wait", is_flag=True, help="With --run: show progress until the run ends.")
@click.option("--json", "as_json", is_flag=True, help="With --check: print JSON.")
def submit(**options: Any) -> ExitCode:
    """Create or update the csv profile of FILE.

    FILE has a header line, then one line per mailbox: login, password, address, user, separated by ; , | or TAB.
    Address and user are optional. If any row is invalid, every invalid row is reported with its line number and nothing
    is stored. Unknown users are created. If the profile exists, the file and the options replace its entire
    configuration; archived mail is kept. `profile edit NAME --csv FILE` replaces only the mailboxes and passwords.
    """
    given = _Given(**{field.name: options[field.name] for field in fields(_Given)})
    if given.check and (given.run or given.wait):
        raise click.UsageError("--check archives nothing: omit --run and --wait.")
    if not given.check and (given.report or given.as_json):
        raise click.UsageError("--report and --json require --check.")
    if given.wait and not given.run:
        raise click.UsageError("--wait requires --run.")
    check_server(options)
    check_rules(options)
    data = read_csv_file(given.file, given.encoding)
    rows = read_csv(data)
    name = given.name or Name().convert(given.file.stem, None, None)
    values = {"name": name, "kind": ProfileKind.CSV, **rule_defaults(options)}
    document = document_from(_FIELDS, options, values)
    if given.check:
        server = document.server.resolved()
        _show_names(rows, given.encoding)
        return show_checks(
            lambda principal, resources: check_rows(principal, resources, server, rows, document.max_jobs),
            total=len(rows),
            report=given.report,
            as_json=given.as_json,
        )
    request = ProfileRequest(document, csv=data)
    summary, changed = call(_store, request)
    done = "updated" if changed else "added"
    click.echo(f"profile {summary.profile.name} {done}: {plural(summary.mailboxes, 'mailbox')}", err=given.run)
    if not given.run:
        return ExitCode.OK
    run_id = call(start_run, name)
    click.echo(run_id)
    return follow(run_id) if given.wait else ExitCode.OK


def _show_names(rows: list[CsvMailbox], encoding: str | None) -> None:
    """Show how names with other letters than English ones were read, so that a wrong code page is seen."""
    names = [name for row in rows for name in (row.user, row.login_user) if not name.isascii()]
    if names:
        shown = ", ".join(dict.fromkeys(names[:_NAMES]))
        click.echo(f"names read from the file ({encoding or 'UTF-8'}): {shown}", err=True)


async def _store(principal: Principal, resources: Resources, request: ProfileRequest) -> tuple[ProfileSummary, bool]:
    changed = await profile_exists(principal, resources, request.document.name)
    return await submit_profile(principal, resources, request, change=changed), changed
