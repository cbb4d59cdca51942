"""Which archives a principal may read."""

from __future__ import annotations

from muniment.db import users
from muniment.db.database import Session
from muniment.errors import Forbidden
from muniment.services.access.principal import Principal
from muniment.settings import Settings

_READ = "read"


async def readable_archives(session: Session, settings: Settings, principal: Principal) -> tuple[int, ...] | None:
    """Return the ids of the users whose archives the principal may read; None means all users.

    Raises NotFound if the principal acts on behalf of an unknown user, and Forbidden if it may read nothing.
    """
    principal.require_access_to(principal.user)
    if principal.user is None:
        if not settings.administrators_search:
            raise Forbidden(
                "administrators may not search everybody's archives",
                hint="Search as a user with --user NAME, or set MUNIMENT_ADMINISTRATORS_SEARCH=true; both are audited.",
            )
        return None
    user = await users.find(session, principal.user)
    if principal.is_user and user.removed is not None:
        raise Forbidden(f"user {user.name} was removed")
    if _READ not in user.own_archive:
        raise Forbidden(f"{user.name} may not read their own archive")
    return (user.id,)
