"""`muniment demo`: Muniment on a private mail server with generated mail."""

from __future__ import annotations

from pathlib import Path

import click

from muniment.demo.show import show


@click.command("demo")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Empty folder for the archive; it is kept afterwards.",
)
@click.option("--keep", is_flag=True, help="Keep the temporary folder and print its path.")
def demo(data: Path | None, keep: bool) -> None:
    """Archive, search, export and verify generated mail, in about a minute.

    The demo starts a private Dovecot with generated mailboxes and a separate Muniment, shows every command with its
    output, and removes everything afterwards. It does not touch your own mail, data or settings.
    """
    show(data=data, keep=keep)
