"""Formats mail servers for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from muniment.cli.kit.output import Column, number, print_table, right, rigid, size

if TYPE_CHECKING:
    from muniment.governor import ServerState


def print_servers(servers: Sequence[ServerState]) -> None:
    """Print a table of mail servers."""
    columns = [Column("mail server"), right("open"), right("limit"), right("waiting"), rigid("rates"), Column("reason")]
    print_table(columns, [_row(server) for server in servers])


def _row(found: ServerState) -> tuple[str, ...]:
    limit = "-" if found.limit is None else number(found.limit)
    return found.server, number(found.open), limit, number(found.waiting), _rates(found), found.reason


def _rates(found: ServerState) -> str:
    commands, size_ = found.configured.commands_per_second, found.configured.bytes_per_second
    rates = [f"{commands:g} commands/s"] if commands is not None else []
    rates += [f"{size(int(size_))}/s"] if size_ is not None else []
    return ", ".join(rates) or "-"
