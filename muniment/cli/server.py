"""`muniment server`: how much the whole fleet may ask of each mail server."""

from __future__ import annotations

import re

import click

from muniment.cli.kit.connect import call, call_with_database_only
from muniment.cli.kit.output import print_json
from muniment.cli.server_view import print_servers
from muniment.errors import BrokerUnavailable
from muniment.model.profile import server_name
from muniment.model.server_limits import ServerLimits
from muniment.services.operating.server_limits import limit_server, unlimit_server
from muniment.services.operating.show_governor import show_governor
from muniment.shapes.servers import server_shape

_ADDRESS = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.%]+)\]|(?P<host>[^\s:\[\]]+))(?::(?P<port>\d{1,5}))?")
_IMAP = 143


class MailServer(click.ParamType[str]):
    """HOST or HOST:PORT, turned into the server's name; without a port the usual ones are meant, 143 and 993."""

    name = "HOST[:PORT]"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name by which limits are kept."""
        match = _ADDRESS.fullmatch(value)
        port = int(match["port"] or _IMAP) if match else 0
        if match is None or not 1 <= port <= 65535:
            self.fail(f"{value!r} is no host with or without a port", param, ctx)
        return server_name(match["v6"] or match["host"], port)


@click.group()
def server() -> None:
    """Mail servers: connections, commands and bytes per second, over all profiles and workers."""


@server.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """List the mail servers that were used of late or have limits: what is open, what is allowed, and why."""
    found = call(show_governor)
    if found is None:
        raise BrokerUnavailable("Redis does not answer")
    if as_json:
        print_json([server_shape(one) for one in found])
    elif found:
        print_servers(found)
    else:
        click.echo("no mail server was used yet")


@server.command("limit")
@click.argument("name", metavar="HOST[:PORT]", type=MailServer())
@click.option("--connections", type=click.IntRange(min=1), metavar="N", help="Connections at once.")
@click.option("--commands-per-second", type=click.FloatRange(min=0, min_open=True), metavar="N", help="IMAP commands.")
@click.option("--bytes-per-second", type=click.FloatRange(min=0, min_open=True), metavar="N", help="Message bytes.")
@click.option("--clear", is_flag=True, help="Take these limits away: what the settings say holds again.")
def limit(
    name: str,
    connections: int | None,
    commands_per_second: float | None,
    bytes_per_second: float | None,
    clear: bool,
) -> None:
    """Limit what all workers together ask of the mail server HOST, in place of the limits that it had.

    Ports 143 and 993 are one server. What is not given is as MUNIMENT_SERVER_CONNECTIONS,
    MUNIMENT_SERVER_COMMANDS_PER_SECOND and MUNIMENT_SERVER_BYTES_PER_SECOND say. New connections heed it within
    seconds; those that are open end with their slice.
    """
    given = ServerLimits(connections, commands_per_second, bytes_per_second)
    if clear == (given != ServerLimits()):
        raise click.UsageError("Give limits, or --clear.")
    if clear:
        call_with_database_only(unlimit_server, name)
        click.echo(f"{name}: no limits of its own any more")
        return
    call_with_database_only(limit_server, name, given)
    click.echo(f"{name}: limited")
