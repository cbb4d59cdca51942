"""Look up a message by its SHA-256: what it is, and every place where it is or was filed."""

from __future__ import annotations

from muniment.db import messages
from muniment.errors import Misconfigured, NotFound
from muniment.model.place import Place
from muniment.services.access.principal import Principal, Right
from muniment.services.resources import Resources

_DIGITS = 64


async def show_message(principal: Principal, resources: Resources, sha256: str) -> list[Place]:
    """Return the places of the message with this SHA-256 (hexadecimal), at least one; NotFound: no such message."""
    principal.require(Right.ADMIN)
    try:
        digest = bytes.fromhex(sha256)
    except ValueError:
        digest = b""
    if len(digest) * 2 != _DIGITS:
        raise Misconfigured(
            f"{sha256!r} is no SHA-256", hint="Write its 64 hexadecimal digits, as `search --json` shows."
        )
    async with resources.database.session() as session:
        found = await messages.places(session, digest)
    if not found:
        raise NotFound("no message with this SHA-256 is archived", hint="`muniment search … --json` shows identities.")
    return found
