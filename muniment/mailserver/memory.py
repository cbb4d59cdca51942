"""A mail server in memory, for tests and for running services without a network. It implements `Connector`."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from muniment.errors import LoginRefused, MunimentError, ServerThrottled, ServerUnavailable
from muniment.mailserver.connector import Numbering
from muniment.mailserver.limits import Limits
from muniment.mailserver.memory_mailbox import MemoryServer
from muniment.mailserver.memory_session import MemorySession
from muniment.mailserver.session import MailSession
from muniment.model.finding import Finding, failed, fine
from muniment.model.login import Credentials
from muniment.model.profile import Server


class MemoryMailServer(MemoryServer):
    """The mail server behind every `Server`. A login may name any mailbox, with any password."""

    async def open(
        self,
        server: Server,
        credentials: Credentials,
        limits: Limits,
        numbering: Numbering,  # noqa: ARG002 - the UIDs of this server are its own
    ) -> MailSession:
        """Log in to the mailbox that the credentials name; see `Connector`."""
        slot = await limits.gate.enter(server)
        try:
            mailbox = self._log_in(credentials)
            if self.allows is not None and self.sessions >= self.allows:
                slot.report_throttling("too many connections", too_many=True, seconds=0)
                raise ServerThrottled(f"{server.name} allows no more connections")
        except MunimentError as error:
            instead = await slot.report_refusal(error)
            slot.release(clean=False)
            raise instead or error from None
        slot.logged_in()
        session = MemorySession(self, server.name, mailbox, credentials.kind, limits, slot)
        self.sessions += 1
        self.most_sessions = max(self.most_sessions, self.sessions)
        return session

    async def diagnose(
        self,
        server: Server,
        limits: Limits,  # noqa: ARG002 - no connection is made
    ) -> AsyncGenerator[Finding, None]:
        """Yield whether the server responds."""
        if self.is_away:
            yield failed("TCP", f"{server.name}: no answer", "Check that the mail server runs.")
        else:
            yield fine("TCP", f"{server.name} answers")

    def _log_in(self, credentials: Credentials) -> str:
        if self.is_away:
            raise ServerUnavailable("the mail server does not answer")
        named = credentials.authorize_as or credentials.user
        self.logins.append(named)
        if named in self.login_errors:
            raise self.login_errors[named]
        opened = self.opens_instead.get(named, named)
        if opened not in self.mailboxes:
            raise LoginRefused(f"there is no mailbox {opened}")
        return opened
