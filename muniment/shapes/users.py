"""JSON of users."""

from __future__ import annotations

from muniment.model.user import User
from muniment.shapes.values import utc


def user_shape(found: User) -> dict[str, object]:
    """`id`, `name`, `addresses[]` (primary address first), `privileges[]` (new users have the privilege to log in),
    `own_archive[]` (rights in the user's own archive: read), `removed` (when the user was removed, or null).
    """
    return {
        "id": found.id,
        "name": found.name,
        "addresses": found.addresses,
        "privileges": found.privileges,
        "own_archive": found.own_archive,
        "removed": utc(found.removed),
    }
