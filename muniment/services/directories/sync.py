"""Synchronise users with a directory before a run: the hook; there is no directory to configure yet."""

from __future__ import annotations

from muniment.db.database import Session
from muniment.model.profile import Profile

NO_DIRECTORY = "no directory is configured: users were not synchronised before this run"


async def sync_directory(session: Session, profile: Profile) -> list[str]:  # noqa: ARG001 - what a directory will need
    """Bring the users up to date, in the transaction that opens the run; return what must be known of it."""
    return [NO_DIRECTORY] if profile.sync_directory else []
