"""The root of the command line, and how everything that ends a command becomes an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from muniment import __version__
from muniment.cli.kit import errors
from muniment.cli.kit.exit_codes import ExitCode
from muniment.cli.kit.lazy import Entry, LazyGroup
from muniment.errors import MunimentError

#: Where `--data` is kept for the commands below the root.
DATA = "muniment.data"

_PROGRAM = "muniment"
_COMPLETION = "_MUNIMENT_COMPLETE"  # set by the shell's completion script, see docs/reference/cli.md

COMMANDS = {
    "up": Entry("muniment.cli.up:up", "Run everything on this machine, in the foreground."),
    "demo": Entry("muniment.cli.demo:demo", "Show Muniment at work on a generated mail server."),
    "user": Entry("muniment.cli.user:user", "Users: each owns an archive."),
    "profile": Entry("muniment.cli.profiles.profile:profile", "Profiles: what to archive, from where and how."),
    "batch": Entry("muniment.cli.profiles.batch:batch", "Many mailboxes from a CSV file, in one command."),
    "run": Entry("muniment.cli.runs.run:run", "Runs: executions of profiles."),
    "search": Entry("muniment.cli.search:search", "Find archived messages."),
    "saved-search": Entry("muniment.cli.saved_search:saved_search", "Searches with a name."),
    "index": Entry("muniment.cli.index:index", "How much can be searched; build the index anew."),
    "message": Entry("muniment.cli.message:message", "One message, and where it stands and stood."),
    "export": Entry("muniment.cli.archive:export", "Give archived messages back, byte for byte."),
    "verify": Entry("muniment.cli.archive:verify", "Read everything again and report what is damaged."),
    "deletions": Entry("muniment.cli.deletions:deletions", "What profiles' rules deleted on mail servers."),
    "backup": Entry("muniment.cli.backup:backup", "Write the whole installation to one file."),
    "restore": Entry("muniment.cli.backup:restore", "Fill an empty installation from such a file."),
    "quarantine": Entry("muniment.cli.quarantine:quarantine", "Messages that could not be archived yet."),
    "server": Entry("muniment.cli.server:server", "Mail servers: how much the fleet may ask of each."),
    "status": Entry("muniment.cli.status:status", "Processes, queues, index and stale mailboxes."),
    "audit": Entry("muniment.cli.audit:audit", "Who changed what."),
    "key": Entry("muniment.cli.key:key", "The key that stored passwords are encrypted with."),
    "migrate": Entry("muniment.cli.migrate:migrate", "Bring the database's schema up to date."),
    "worker": Entry("muniment.cli.processes:worker", "Run a worker alone, against real servers."),
    "scheduler": Entry("muniment.cli.processes:scheduler", "Run the scheduler alone."),
    "flower": Entry("muniment.cli.processes:flower", "Run Flower, which shows the workers."),
}


@click.group(cls=LazyGroup, table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="muniment")
@click.option(
    "--data",
    # Not checked for reading: clients with all URLs set need nothing in it.
    type=click.Path(path_type=Path, file_okay=False, readable=False),
    envvar="MUNIMENT_DATA",
    show_envvar=True,
    help="Data folder of the `muniment up` to talk to; the user's own by default.",
)
@click.pass_context
def root(ctx: click.Context, data: Path | None) -> None:
    """Archive whole mail systems over IMAP, byte for byte, and prove that nothing is missing.

    Start with `muniment demo`, or with `muniment up` in one terminal and `muniment profile add --help`
    in another. Every command explains itself with --help.
    """
    ctx.meta[DATA] = data


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line (`arguments` None: this process's) and leave the process with its exit code."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code; whatever goes wrong is reported on standard error."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a subject must not end the command that lists it.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _translated(sys.argv[1:] if arguments is None else list(arguments))
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still buffered would raise once more when Python flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.BROKEN_PIPE
    return code


def _translated(arguments: list[str]) -> int:
    """Invoke, and turn everything raised but a broken pipe into a report and an exit code."""
    try:
        return _invoke(arguments)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    except MunimentError as error:
        return errors.report(error)
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - the last resort: one line instead of a traceback
        return errors.report_fault(error)


def _invoke(arguments: list[str]) -> int:
    """Return the exit code that the command returned; None counts as OK."""
    if _COMPLETION in os.environ:
        root.main(arguments, prog_name=_PROGRAM)  # answers the shell and exits
    # Not `root.main`: it would end a broken pipe with an exit code of its own.
    with root.make_context(_PROGRAM, arguments) as context:
        code: int | None = root.invoke(context)
    return ExitCode.OK if code is None else code
