"""`muniment profile`: what to archive, from where and how."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from muniment.cli.kit.connect import call, call_with_database_only
from muniment.cli.kit.errors import warn
from muniment.cli.kit.exit_codes import ExitCode
from muniment.cli.kit.names import Address
from muniment.cli.kit.output import (
    Column,
    console,
    local_minute,
    local_time,
    number,
    plural,
    print_facts,
    print_json,
    print_table,
    print_warnings,
    right,
    rigid,
)
from muniment.cli.profiles.add import add
from muniment.cli.profiles.edit import edit, export, import_
from muniment.cli.profiles.facts import profile_facts
from muniment.cli.profiles.findings import print_findings
from muniment.cli.profiles.forecast import show_forecast
from muniment.cli.profiles.login_table import show_checks
from muniment.cli.runs.follow import follow
from muniment.services.doctor.check_logins import check_profile
from muniment.services.doctor.probe_profile import probe_profile
from muniment.services.doctor.show_folders import show_folders
from muniment.services.mailboxes.effective_folders import EffectiveFolder
from muniment.services.profiles.submit_profile import ProfileSummary, list_profiles, remove_profile, summarize_profile
from muniment.services.runs.lifecycle import show_run, start_run
from muniment.shapes.doctor import folders_shape, probe_shape
from muniment.shapes.profiles import profile_shape, removed_shape

_NEW_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def profile() -> None:
    """Manage archiving profiles: what to archive, from where and how."""


profile.add_command(add)
profile.add_command(edit)
profile.add_command(export)
profile.add_command(import_)


@profile.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """List all profiles."""
    found = call_with_database_only(list_profiles)
    if as_json:
        print_json([profile_shape(summary) for summary in found])
    elif found:
        columns = [
            Column("profile"),
            rigid("kind"),
            Column("server"),
            rigid("access"),
            right("mailboxes"),
            right("jobs"),
            rigid("next run"),
        ]
        print_table(columns, [_row(summary) for summary in found])
        print_warnings(f"{one.profile.name} {text}" for one in found for text in one.profile.warnings)
    else:
        click.echo("no profiles yet; to create one, see `muniment profile add --help`")


@profile.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(name: str, as_json: bool) -> None:
    """Show the profile NAME, without its password."""
    summary = call_with_database_only(summarize_profile, name)
    if as_json:
        print_json(profile_shape(summary))
        return
    print_facts(profile_facts(summary))
    print_warnings(summary.profile.warnings)


@profile.command("remove")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def remove(name: str, as_json: bool) -> None:
    """Remove the profile NAME and its credentials. Archived mail and runs are kept."""
    call_with_database_only(remove_profile, name)
    if as_json:
        print_json(removed_shape(name))
    else:
        click.echo(f"profile {name} removed; archived mail and runs are kept")


@profile.command("test")
@click.argument("name")
@click.option("--mailbox", type=Address(), help="Mailbox to test. Default: the profile's first mailbox.")
@click.option("--all", "everybody", is_flag=True, help="Test all mailboxes, as many at a time as the profile allows.")
@click.option(
    "--report", type=_NEW_FILE, metavar="CSV", help="With --all: write the result of every mailbox to this file."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON; with --all, in the form of `batch submit --check`.")
def test(name: str, mailbox: str | None, everybody: bool, report: Path | None, as_json: bool) -> ExitCode:
    """Test the connection to a mailbox of the profile NAME.

    The test checks, step by step, name resolution, TCP, TLS and the certificate, every login method, whether the right
    mailbox opens, the folders, and how the server lists and delivers messages. For each problem it shows what to
    change. This command archives nothing.
    """
    if everybody and mailbox:
        raise click.UsageError("--all and --mailbox are mutually exclusive.")
    if report and not everybody:
        raise click.UsageError("--report requires --all.")
    if everybody:
        return show_checks(
            lambda principal, resources: check_profile(principal, resources, name),
            total=None,
            report=report,
            as_json=as_json,
        )
    _test_one(name, mailbox, as_json)
    return ExitCode.OK


def _test_one(name: str, mailbox: str | None, as_json: bool) -> None:
    probe = call(probe_profile, name, mailbox)
    if as_json:
        print_json(probe_shape(probe))
    else:
        click.echo(f"mailbox {probe.mailbox}")
        print_findings(probe.findings)
    if probe.error is not None:
        raise probe.error


@profile.command("folders")
@click.argument("name")
@click.option("--mailbox", type=Address(), help="Mailbox to list. Default: the profile's first mailbox.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def folders(name: str, mailbox: str | None, as_json: bool) -> None:
    """Show which folders of a mailbox the profile NAME archives.

    Each folder is listed with the reason why it is or is not archived. This command archives nothing.
    """
    found = call(show_folders, name, mailbox)
    if as_json:
        print_json(folders_shape(found))
        return
    columns = [Column("folder"), rigid("archived"), Column("reason"), right("messages")]
    in_order = sorted(found.folders, key=lambda one: (one.folder.path[0] != "INBOX", one.folder.path))
    print_table(columns, [_folder_row(one) for one in in_order])
    archived = sum(one.is_archived for one in found.folders)
    click.echo(f"{archived} of {plural(len(found.folders), 'folder')} of {found.mailbox} are archived")
    print_warnings(f"no folder of this mailbox matches {pattern!r}" for pattern in found.unused)


@profile.command("run")
@click.argument("name")
@click.option("--wait", is_flag=True, help="Show progress on standard error until the run ends.")
@click.option("--any-time", is_flag=True, help="Ignore the profile's time windows.")
@click.option(
    "--what-if",
    "forecast",
    is_flag=True,
    help="Only show what the run would archive and delete; store and change nothing.",
)
@click.option(
    "--report", type=_NEW_FILE, metavar="CSV", help="With --what-if: write the result of every mailbox to this file."
)
@click.option(
    "--deletions",
    type=_NEW_FILE,
    metavar="CSV",
    help="With --what-if: write the messages that would be deleted on the server to this file.",
)
@click.option("--json", "as_json", is_flag=True, help="With --what-if: print JSON.")
def run(
    name: str,
    wait: bool,
    any_time: bool,
    forecast: bool,
    report: Path | None,
    deletions: Path | None,
    as_json: bool,
) -> ExitCode:
    """Start archiving the mailboxes of the profile NAME.

    Prints the run's id; the run continues in the background. With --wait, the exit code reports the result: 0 if all
    mailboxes were archived, 3 if any failed, 10 if the run was cancelled.
    """
    if forecast:
        if wait or any_time:
            raise click.UsageError("--what-if starts no run: omit --wait and --any-time.")
        return show_forecast(name, report=report, deletions=deletions, as_json=as_json)
    if report or deletions or as_json:
        raise click.UsageError("--report, --deletions and --json require --what-if.")
    run_id = call(start_run, name, any_time=any_time)
    click.echo(run_id)
    started = call_with_database_only(show_run, run_id, most=0).run
    if started.paused_until is not None:
        warn(f"outside the profile's time windows: run {run_id} is paused until {local_time(started.paused_until)}")
    if wait:
        return follow(run_id)
    summary = call_with_database_only(summarize_profile, name)
    print_warnings(summary.profile.warnings, out=console(sys.stderr))
    return ExitCode.OK


def _folder_row(one: EffectiveFolder) -> tuple[str, ...]:
    status = one.folder.status
    messages = "" if status is None or status.messages is None else number(status.messages)
    return "/".join(one.folder.path), "yes" if one.is_archived else "no", one.reason, messages


def _row(summary: ProfileSummary) -> tuple[str, ...]:
    found = summary.profile
    server = f"{found.server.host}:{found.server.port}"
    return (
        found.name,
        found.kind.value,
        server,
        found.server.access.value,
        number(summary.mailboxes),
        number(found.max_jobs),
        local_minute(found.due) if found.due else "manual",
    )
