"""Opens a POP3 session: the connection, the login and the lists."""

from __future__ import annotations

import asyncio
import base64
import re

from muniment.errors import CommandRefused, LoginUnsupported, ProtocolViolation
from muniment.mailserver.gate import ConnectionSlot
from muniment.mailserver.redaction import Redactor
from muniment.mailserver.sasl import forms_of_password, xoauth2_response
from muniment.mailserver.starttls import open_connection
from muniment.model.login import Credentials, LoginKind
from muniment.model.profile import Server
from muniment.pop3.connection import Pop3Connection
from muniment.pop3.stls import negotiate_stls

_LINE_BYTES = 1 << 20
_LISTED = re.compile(rb"(\d{1,10}) (\S{1,100}).*", re.DOTALL)


async def greeted(server: Server, slot: ConnectionSlot) -> Pop3Connection:
    """Return a connection after the greeting, encrypted as `server.access` says, but not logged in."""
    reader = asyncio.StreamReader(limit=_LINE_BYTES)
    transport, protocol = await open_connection(
        server, slot, negotiate_stls, lambda: asyncio.StreamReaderProtocol(reader)
    )
    writer = asyncio.StreamWriter(transport, protocol, reader, asyncio.get_running_loop())
    connection = Pop3Connection(f"{server.host}:{server.port}", (reader, writer), server.timeout_seconds, slot)
    try:
        if not server.access.is_starttls:
            await connection.greeting()
    except BaseException:
        connection.close(clean=False)
        raise
    return connection


async def log_in(connection: Pop3Connection, credentials: Credentials) -> frozenset[str]:
    """Log in and return the server's capabilities, in upper case.

    Uses USER and PASS, or SASL (RFC 5034) for a token or if the server does not support USER.
    """
    line = await connection.run("CAPA")
    capabilities = frozenset(
        capability.decode("ascii", "replace").upper()
        for capability in (await connection.lines() if line.startswith(b"+OK") else [])
    )
    mechanisms = {word for line_ in capabilities if line_.startswith("SASL") for word in line_.split()[1:]}
    connection.redactor = Redactor(forms_of_password(credentials))
    if credentials.kind is LoginKind.XOAUTH2:
        if "XOAUTH2" not in mechanisms:
            raise LoginUnsupported(f"{connection.peer} does not offer XOAUTH2", hint="Use a password.")
        line = await connection.run("AUTH XOAUTH2 ", xoauth2_response(credentials))
        if line.startswith(b"+ "):
            line = await connection.run("")  # the server sent the reason as a challenge
    elif "USER" not in capabilities and "PLAIN" in mechanisms:
        response = f"\0{credentials.user}\0{credentials.password.reveal()}".encode()
        line = await connection.run("AUTH PLAIN ", base64.b64encode(response))
    else:
        line = await connection.run(f"USER {credentials.user}")
        if line.startswith(b"+OK"):
            line = await connection.run("PASS ", credentials.password.reveal().encode())
    if not line.startswith(b"+OK"):
        raise connection.error(line, f"the login of {credentials.user}", is_login=True)
    return capabilities


async def listing(connection: Pop3Connection, command: str, *, is_optional: bool = False) -> dict[int, str] | None:
    """Return the LIST or UIDL value by message number; None if the server refuses a command that is optional."""
    line = await connection.run(command)
    if not line.startswith(b"+OK"):
        if is_optional:
            return None
        error = connection.error(line, command)
        raise ProtocolViolation(str(error)) if isinstance(error, CommandRefused) else error
    values: dict[int, str] = {}
    for entry in await connection.lines():
        match = _LISTED.fullmatch(entry)
        if match is None:
            raise ProtocolViolation(f"{connection.peer} sent a malformed {command} response: {connection.shown(entry)}")
        values[int(match[1])] = match[2].decode("latin-1")
    return values
