"""JSON of messages: archived, quarantined, and deleted on the server."""

from __future__ import annotations

from muniment.model.deletion import Deletion
from muniment.model.place import Place
from muniment.model.quarantined import Quarantined
from muniment.shapes.values import utc


def message_shape(sha256: str, found: list[Place]) -> dict[str, object]:
    """`sha256`, `subject`, `sender`, `date`, `size` (bytes), `places[{user, folder[], uidvalidity, uid, flags[],
    internal_date, archived, gone, former, deleted, report}]` (gone: when Muniment noticed that the message had left
    this folder on the server, or null; former: the message is now archived in another folder; deleted: when a profile's
    rule deleted it on the server, or null; report: the part of the journal report before the message, with its
    envelope, or null).
    """
    first = found[0]
    return {
        "sha256": sha256.lower(),
        "subject": first.subject,
        "sender": first.sender,
        "date": utc(first.date),
        "size": first.size,
        "places": [
            {
                "user": place.user_name,
                "folder": [place.address, *place.path],
                "uidvalidity": place.uidvalidity,
                "uid": place.uid,
                "flags": place.flags,
                "internal_date": utc(place.internal_date),
                "archived": utc(place.archived),
                "gone": utc(place.gone),
                "former": place.former,
                "deleted": utc(place.deleted),
                "report": place.wrapper_begin.decode("latin-1") if place.wrapper_begin is not None else None,
            }
            for place in found
        ],
    }


def quarantined_shape(message: Quarantined) -> dict[str, object]:
    """`user`, `folder[]` (the mailbox's address, then the server's path), `uid`, `reason`, `first_seen`, `last_tried`,
    `attempts`.
    """
    return {
        "user": message.user_name,
        "folder": [message.address, *message.path],
        "uid": message.uid,
        "reason": message.reason,
        "first_seen": utc(message.first_seen),
        "last_tried": utc(message.last_tried),
        "attempts": message.attempts,
    }


def deletion_shape(row: Deletion) -> dict[str, object]:
    """`id`, `run`, `folder[]` (the mailbox's address, then the server's path), `uidvalidity`, `uid`, `sha256`,
    `planned`, `deleted` (null: not yet confirmed).
    """
    return {
        "id": row.id,
        "run": row.run_id,
        "folder": [row.address, *row.path],
        "uidvalidity": row.uidvalidity,
        "uid": row.uid,
        "sha256": row.sha256.hex(),
        "planned": utc(row.planned),
        "deleted": utc(row.deleted),
    }
