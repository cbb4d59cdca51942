"""The ledger of what profiles' rules deleted on mail servers."""

from __future__ import annotations

from muniment.db import deletions, runs
from muniment.db.database import Database
from muniment.model.deletion import Deletion


async def show_deletions(
    database: Database, *, run_id: int | None, address: str | None, limit: int | None
) -> list[Deletion]:
    """Return the newest rows, of a run or a mailbox or of everything (None: all); NotFound when there is no such run."""
    async with database.session() as session:
        if run_id is not None:
            await runs.get(session, run_id)
        return await deletions.ledger(session, run_id=run_id, address=address, limit=limit)
