"""Opens sessions with mail servers. A port: `muniment.network` and `mailserver.memory` implement it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Protocol, TypeAlias

from muniment.mailserver.limits import Limits
from muniment.mailserver.session import MailSession
from muniment.model.finding import Finding
from muniment.model.login import Credentials
from muniment.model.profile import Server

#: Assigns a permanent number to each UIDL of a POP3 mailbox.
Numbering: TypeAlias = Callable[[Sequence[str]], Awaitable[dict[str, int]]]


class Connector(Protocol):
    """Opens sessions with mail servers."""

    async def open(self, server: Server, credentials: Credentials, limits: Limits, numbering: Numbering) -> MailSession:
        """Connect and log in. The connection holds a slot of `limits.gate` until it is closed.

        Raises ServerUnavailable, ServerThrottled, ServerBusy, BrokerUnavailable, CertificateRejected, LoginRefused and
        LoginUnsupported.
        """
        ...

    def diagnose(self, server: Server, limits: Limits) -> AsyncGenerator[Finding, None]:
        """Yield one finding per step of connecting without a login; stop after the first step that fails."""
        ...
