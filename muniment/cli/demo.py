"""`muniment demo`: Muniment at work on a generated mail server."""

from __future__ import annotations

from pathlib import Path

import click

from muniment.demo.show import show


@click.command("demo")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="An empty folder for the archive, which then stays.",
)
@click.option("--keep", is_flag=True, help="Keep the temporary folder, and tell where it is.")
def demo(data: Path | None, keep: bool) -> None:
    """Archive, search, export and verify invented mail, in about a minute.

    Starts a private Dovecot with generated mailboxes and a Muniment of its own, shows every command
    with its output, and removes everything afterwards. Nothing of yours is touched.
    """
    show(data=data, keep=keep)
