"""`muniment server`: limits on the load that all workers together put on each mail server."""

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
    """HOST or HOST:PORT, converted to the server's name; without a port, the standard ports 143 and 993."""

    name = "HOST[:PORT]"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name under which limits are stored."""
        match = _ADDRESS.fullmatch(value)
        port = int(match["port"] or _IMAP) if match else 0
        if match is None or not 1 <= port <= 65535:
            self.fail(f"{value!r} is not a valid HOST or HOST:PORT.", param, ctx)
        return server_name(match["v6"] or match["host"], port)


@click.group()
def server() -> None:
    """Show mail servers and limit their connections, commands and bytes per second.

    Limits apply to all profiles and workers together.
    """


@server.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """List mail servers, their open connections and their limits.

    The list contains recently used mail servers and those with limits of their own. It also shows the reason for the
    limit in force.
    """
    found = call(show_governor)
    if found is None:
        raise BrokerUnavailable("Redis does not respond")
    if as_json:
        print_json([server_shape(one) for one in found])
    elif found:
        print_servers(found)
    else:
        click.echo("no mail servers used yet")


@server.command("limit")
@click.argument("name", metavar="HOST[:PORT]", type=MailServer())
@click.option("--connections", type=click.IntRange(min=1), metavar="N", help="Simultaneous connections.")
@click.option(
    "--commands-per-second", type=click.FloatRange(min=0, min_open=True), metavar="N", help="IMAP commands per second."
)
@click.option(
    "--bytes-per-second", type=click.FloatRange(min=0, min_open=True), metavar="N", help="Message bytes per second."
)
@click.option("--clear", is_flag=True, help="Remove the limits of this server; the settings apply again.")
def limit(
    name: str,
    connections: int | None,
    commands_per_second: float | None,
    bytes_per_second: float | None,
    clear: bool,
) -> None:
    """Set the limits for the mail server HOST.

    The limits apply to all workers together and replace the server's previous limits. Ports 143 and 993 count as one
    server. A limit that you omit falls back to MUNIMENT_SERVER_CONNECTIONS,
    MUNIMENT_SERVER_COMMANDS_PER_SECOND or MUNIMENT_SERVER_BYTES_PER_SECOND. New connections follow the limits within
    seconds; open connections close at the end of their slice.
    """
    given = ServerLimits(connections, commands_per_second, bytes_per_second)
    if clear == (given != ServerLimits()):
        raise click.UsageError("Give at least one limit, or --clear, but not both.")
    if clear:
        call_with_database_only(unlimit_server, name)
        click.echo(f"{name}: limits removed; the settings apply")
        return
    call_with_database_only(limit_server, name, given)
    click.echo(f"{name}: limits set")
