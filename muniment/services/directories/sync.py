"""Synchronise users with a directory before a run. This is the hook; no directory can be configured yet."""

from __future__ import annotations

from muniment.db.database import Session
from muniment.model.profile import Profile

NO_DIRECTORY = "no directory is configured: users were not synchronised before this run"


async def sync_directory(session: Session, profile: Profile) -> list[str]:  # noqa: ARG001 - a directory will need it
    """Update the users, in the transaction that opens the run; return warnings for the run."""
    return [NO_DIRECTORY] if profile.sync_directory else []
