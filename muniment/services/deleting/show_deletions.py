"""Show the ledger of messages that profiles' rules deleted on mail servers."""

from __future__ import annotations

from muniment.db import deletions, runs
from muniment.model.deletion import Deletion, KeptMessage
from muniment.services.access.audit import Action, audited
from muniment.services.access.principal import Principal, Right
from muniment.services.resources import Resources


@audited(Action.DELETIONS_LISTED, "address", details=("run_id",))
async def show_deletions(
    principal: Principal, resources: Resources, *, run_id: int | None, address: str | None, limit: int | None
) -> list[Deletion]:
    """Return the newest `limit` rows (None: all) of a run, of a mailbox, or of everything; NotFound: no such run."""
    principal.require(Right.OPERATE)
    async with resources.database.session() as session:
        if run_id is not None:
            await runs.get(session, run_id)
        return await deletions.ledger(session, run_id=run_id, address=address, limit=limit)


@audited(Action.KEPT_LISTED, "address", details=("run_id",))
async def show_kept(
    principal: Principal, resources: Resources, *, run_id: int | None, address: str | None, limit: int | None
) -> list[KeptMessage]:
    """Return up to `limit` (None: all) archived messages that rules leave on the server because something is wrong."""
    principal.require(Right.OPERATE)
    async with resources.database.session() as session:
        if run_id is not None:
            await runs.get(session, run_id)
        return await deletions.kept(session, run_id=run_id, address=address, limit=limit)
