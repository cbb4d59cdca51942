"""The root of the command line; turns the outcome of every command into an exit code."""

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
    "up": Entry("muniment.cli.up:up", "Run all of Muniment on this machine, in the foreground."),
    "demo": Entry("muniment.cli.demo:demo", "Try Muniment on a private mail server with generated mail."),
    "user": Entry("muniment.cli.user:user", "Manage users; each user owns an archive."),
    "profile": Entry("muniment.cli.profiles.profile:profile", "Manage profiles: what to archive, from where and how."),
    "batch": Entry("muniment.cli.profiles.batch:batch", "Archive many mailboxes listed in a CSV file."),
    "run": Entry("muniment.cli.runs.run:run", "Show and cancel runs (executions of profiles)."),
    "search": Entry("muniment.cli.search:search", "Search archived messages."),
    "saved-search": Entry("muniment.cli.saved_search:saved_search", "Manage saved searches."),
    "index": Entry("muniment.cli.index:index", "Inspect, compare and rebuild the search index."),
    "archive": Entry("muniment.cli.archive:archive", "Show what is archived, and how long ago that was compared."),
    "message": Entry("muniment.cli.message:message", "Show one message and where it is archived."),
    "export": Entry("muniment.cli.archive:export", "Export archived messages, byte for byte."),
    "verify": Entry("muniment.cli.archive:verify", "Check every archived message for damage."),
    "deletions": Entry("muniment.cli.deletions:deletions", "List messages that Muniment deleted on mail servers."),
    "backup": Entry("muniment.cli.backup:backup", "Write the whole installation to one file."),
    "restore": Entry("muniment.cli.backup:restore", "Restore a backup into an empty installation."),
    "quarantine": Entry("muniment.cli.quarantine:quarantine", "Tend messages that are missing in the archive."),
    "server": Entry("muniment.cli.server:server", "Show mail servers and limit the load on them."),
    "status": Entry("muniment.cli.status:status", "Show processes, queues, the index and stale mailboxes."),
    "audit": Entry("muniment.cli.audit:audit", "Show who did what, reading included."),
    "key": Entry("muniment.cli.key:key", "Create, rotate or reset the key that encrypts stored passwords."),
    "roles": Entry("muniment.cli.migrate:roles", "Create or separate the database's roles."),
    "migrate": Entry("muniment.cli.migrate:migrate", "Update the database schema."),
    "worker": Entry("muniment.cli.processes:worker", "Run a single worker."),
    "scheduler": Entry("muniment.cli.processes:scheduler", "Run the scheduler."),
    "flower": Entry("muniment.cli.processes:flower", "Run Flower, a web monitor for the workers."),
}


@click.group(cls=LazyGroup, table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="muniment")
@click.option(
    "--data",
    # Not checked for reading: clients with all URLs set need nothing in it.
    type=click.Path(path_type=Path, file_okay=False, readable=False),
    envvar="MUNIMENT_DATA",
    show_envvar=True,
    help="Data folder of the running `muniment up`. Default: your personal data folder.",
)
@click.pass_context
def root(ctx: click.Context, data: Path | None) -> None:
    """Archive whole mail systems over IMAP, byte for byte, and prove that nothing is missing.

    To get started, run `muniment demo`; or run `muniment up` in one terminal and `muniment profile add
    --help` in another. Every command has --help.
    """
    ctx.meta[DATA] = data


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line (`arguments` None: those of this process) and exit with its exit code."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code; errors are reported on standard error."""
    for stream in (sys.stdout, sys.stderr):
        # A subject that the terminal's encoding cannot represent must not abort the command.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _translated(sys.argv[1:] if arguments is None else list(arguments))
        sys.stdout.flush()
    except BrokenPipeError:
        # Otherwise Python raises again when it flushes the remaining buffer at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.BROKEN_PIPE
    return code


def _translated(arguments: list[str]) -> int:
    """Invoke the command; report any exception except a broken pipe and return its exit code."""
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
    # Not `root.main`: it has its own exit code for a broken pipe.
    with root.make_context(_PROGRAM, arguments) as context:
        code: int | None = root.invoke(context)
    return ExitCode.OK if code is None else code
