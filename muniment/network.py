"""Mail servers over the network: implements `mailserver.Connector` with the IMAP and POP3 clients."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from muniment.imap import ImapSession, negotiate_starttls
from muniment.mailserver import Limits, MailSession, Numbering, diagnose_connection
from muniment.model.finding import Finding
from muniment.model.login import Credentials
from muniment.model.profile import Server
from muniment.pop3 import Pop3Session, negotiate_stls


class NetworkConnector:
    """Chooses the client by the protocol of `server.access`."""

    async def open(self, server: Server, credentials: Credentials, limits: Limits, numbering: Numbering) -> MailSession:
        """Connect and log in; see `Connector`."""
        if server.access.is_pop3:
            return await Pop3Session.open(server, credentials, limits, numbering)
        return await ImapSession.open(server, credentials, limits)

    def diagnose(self, server: Server, limits: Limits) -> AsyncGenerator[Finding, None]:
        """Yield what is found about the name, TCP and TLS of the server."""
        negotiate = negotiate_stls if server.access.is_pop3 else negotiate_starttls
        return diagnose_connection(server, limits, negotiate)
