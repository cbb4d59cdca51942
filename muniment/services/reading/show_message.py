"""Look up a message by its SHA-256: what it is, and every place where it is or was filed."""

from __future__ import annotations

from dataclasses import replace

from muniment.db import flags, messages
from muniment.errors import Misconfigured, NotFound
from muniment.model.flags import FlagChange
from muniment.model.place import Place
from muniment.services.access.audit import Action, audited
from muniment.services.access.principal import Principal, Right
from muniment.services.resources import Resources

_DIGITS = 64


@audited(Action.MESSAGE_SHOWN, "sha256")
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
        history: dict[tuple[int, int], list[FlagChange]] = {}
        ids = {place.message_id for place in found}
        for change in await flags.changes(session, [place.folder_id for place in found], sorted(ids)):
            history.setdefault((change.folder_id, change.message_id), []).append(change)
    if not found:
        raise NotFound("no message with this SHA-256 is archived", hint="`muniment search … --json` shows identities.")
    return [replace(place, flag_changes=tuple(history.get((place.folder_id, place.message_id), ()))) for place in found]
