"""Check that a process matches its database: schema version and secret key."""

from __future__ import annotations

from muniment.db.database import Database
from muniment.db.migrate import pending
from muniment.errors import Misconfigured
from muniment.sealing import KeyRing
from muniment.services.mailboxes.secret_box import current_box


async def check_schema(database: Database) -> None:
    """Raise Misconfigured if the schema is too old for this code."""
    if lacking := await pending(database, phase="pre"):
        raise Misconfigured(
            f"the database lacks {lacking} of this version's migrations", hint="Run `muniment migrate` first."
        )


async def check_installation(database: Database, ring: KeyRing | None) -> None:
    """Raise Misconfigured if the stored passwords need another key, or if the schema is too old for this code.

    The first key that is used with a database becomes its key. `ring` None: the process opens no passwords.
    """
    await check_schema(database)
    if ring is None:
        return
    async with database.transaction() as session:
        await current_box(session, ring)
