"""`muniment batch`: many mailboxes from one CSV file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from muniment.cli.kit.connect import call
from muniment.cli.kit.exit_codes import ExitCode
from muniment.cli.kit.names import Name
from muniment.cli.kit.output import plural
from muniment.cli.profiles.login_table import show_checks
from muniment.cli.profiles.options import (
    FolderOptions,
    ServerOptions,
    folder_options,
    limit_options,
    read_file,
    scope_from,
    server_from,
    server_options,
)
from muniment.cli.profiles.rule_options import RuleOptions, deletion_from, filter_from, rule_options, schedule_from
from muniment.cli.runs.follow import follow
from muniment.model.profile import ProfileKind
from muniment.model.server_kind import ServerKind
from muniment.services.access.principal import Principal
from muniment.services.doctor.check_logins import check_rows
from muniment.services.profiles.csv_mailboxes import read_csv
from muniment.services.profiles.submit_profile import ProfileRequest, ProfileSummary, profile_exists, submit_profile
from muniment.services.resources import Resources
from muniment.services.runs.lifecycle import start_run


@dataclass(frozen=True)
class _Options(ServerOptions, FolderOptions, RuleOptions):
    file: Path
    name: str | None
    check: bool
    report: Path | None
    run: bool
    wait: bool
    as_json: bool


@click.group()
def batch() -> None:
    """Archive many mailboxes listed in a CSV file."""


@batch.command("submit")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--name", type=Name(), help="Name of the profile. Default: the file name without its extension.")
@server_options
@folder_options
@rule_options
@limit_options
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

    FILE has a header line, then one line per mailbox: login, password, address, user, separated by ; , | or TAB. Address
    and user are optional. If any row is invalid, every invalid row is reported with its line number and nothing is
    stored. Unknown users are created. If the profile exists, the file and the options replace its entire
    configuration; archived mail is kept. `profile edit NAME --csv FILE` replaces only the mailboxes and passwords.
    """
    given = _Options(**options)
    if given.check and (given.run or given.wait):
        raise click.UsageError("--check archives nothing: omit --run and --wait.")
    if not given.check and (given.report or given.as_json):
        raise click.UsageError("--report and --json require --check.")
    if given.wait and not given.run:
        raise click.UsageError("--wait requires --run.")
    data = read_file(given.file)
    rows = read_csv(data)
    server = server_from(given)
    if given.check:
        return show_checks(
            lambda principal, resources: check_rows(principal, resources, server, rows, given.max_jobs),
            total=len(rows),
            report=given.report,
            as_json=given.as_json,
        )
    request = ProfileRequest(
        name=given.name or Name().convert(given.file.stem, None, None),
        kind=ProfileKind.CSV,
        server=server,
        csv=data,
        max_jobs=given.max_jobs,
        server_kind=ServerKind.parse(given.server_kind),
        folders=scope_from(given),
        filter=filter_from(given),
        deletion=deletion_from(given),
        schedule=schedule_from(given),
    )
    summary, changed = call(_store, request)
    done = "updated" if changed else "added"
    click.echo(f"profile {summary.profile.name} {done}: {plural(summary.mailboxes, 'mailbox')}", err=given.run)
    if not given.run:
        return ExitCode.OK
    run_id = call(start_run, request.name)
    click.echo(run_id)
    return follow(run_id) if given.wait else ExitCode.OK


async def _store(principal: Principal, resources: Resources, request: ProfileRequest) -> tuple[ProfileSummary, bool]:
    changed = await profile_exists(principal, resources, request.name)
    return await submit_profile(principal, resources, request, change=changed), changed
