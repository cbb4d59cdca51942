"""Who looks into archives, and into which he may look."""

from __future__ import annotations

from dataclasses import dataclass

from muniment.db import users
from muniment.db.database import Session
from muniment.errors import Forbidden
from muniment.settings import Settings

_READ = "read"


@dataclass(frozen=True)
class Viewer:
    """Somebody who searches: the user `user`, or an administrator who searches everybody's archives (None).

    `operator`: who gives the command, where that is not the user himself; then it is written into the audit log.
    """

    user: str | None = None
    operator: str | None = None


async def readable_archives(session: Session, settings: Settings, viewer: Viewer) -> tuple[int, ...] | None:
    """Return the ids of the users whose archives the viewer may read, None: of everybody.

    NotFound when there is no such user, Forbidden when he may read nothing.
    """
    if viewer.user is None:
        if not settings.administrators_search:
            raise Forbidden(
                "administrators may not search everybody's archives",
                hint="Search as a user with --user NAME, or set MUNIMENT_ADMINISTRATORS_SEARCH=true; both are audited.",
            )
        return None
    user = await users.find(session, viewer.user)
    if _READ not in user.own_archive:
        raise Forbidden(f"{user.name} may not read his archive")
    return (user.id,)
