"""Opens a session with a mailbox."""

from __future__ import annotations

from collections.abc import Sequence

from muniment.db import pop3
from muniment.mailserver import MailSession
from muniment.model.login import Credentials
from muniment.model.profile import Server
from muniment.services.resources import Resources


async def open_session(
    resources: Resources, server: Server, credentials: Credentials, mailbox_id: int, *, to_archive: bool = False
) -> MailSession:
    """Log in to a mailbox; raises what `Connector.open` raises.

    The UIDLs of a POP3 mailbox are numbered for `mailbox_id` (0: the mailbox is not stored yet). The numbers are kept
    only if the session is opened `to_archive`.
    """

    async def numbering(uidls: Sequence[str]) -> dict[str, int]:
        async with resources.database.transaction() as session:
            count = pop3.number if to_archive else pop3.look_up
            return await count(session, mailbox_id, uidls)

    return await resources.connector.open(server, credentials, resources.limits, numbering)
