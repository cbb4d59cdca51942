"""JSON of messages: archived, quarantined, and deleted on the server."""

from __future__ import annotations

from collections.abc import Sequence

from muniment.model.deletion import Deletion, KeptMessage
from muniment.model.place import Place
from muniment.model.quarantined import Quarantined
from muniment.model.text_problem import TextProblem
from muniment.shapes.values import utc


def message_shape(sha256: str, found: list[Place], problems: Sequence[TextProblem] = ()) -> dict[str, object]:
    """`sha256`, `subject`, `sender`, `date`, `size` (bytes), `places[{user, folder[], uidvalidity, uid, flags[],
    flag_changes[{noticed, before[], after[]}], internal_date, archived, gone, former, deleted, report, substitute,
    announced}]` (flag_changes: when a run noticed that its flags had changed on the server, oldest first; gone: when
    Muniment noticed that the message had left this folder on the server, or null; former: the message is now archived
    in another folder; deleted: when a profile's rule deleted it on the server, or null; report: the part of the journal
    report before the message, with its envelope, or null; substitute: what the message is if the server delivered it in
    place of another one, or null; announced: the size that the server announced if it delivered another one, or null),
    `problems[{code, part, words}]` (what search lacks of the message or guessed; code: a fixed name; part: number and
    name, empty: the whole message).
    """
    first = found[0]
    return {
        "sha256": sha256.lower(),
        "subject": first.subject,
        "sender": first.sender,
        "date": utc(first.date),
        "size": first.size,
        "problems": [text_problem_shape(problem) for problem in problems],
        "places": [
            {
                "user": place.user_name,
                "folder": [place.address, *place.path],
                "uidvalidity": place.uidvalidity,
                "uid": place.uid,
                "flags": place.flags,
                "flag_changes": [
                    {"noticed": utc(change.noticed), "before": change.before, "after": change.after}
                    for change in place.flag_changes
                ],
                "internal_date": utc(place.internal_date),
                "archived": utc(place.archived),
                "gone": utc(place.gone),
                "former": place.former,
                "deleted": utc(place.deleted),
                "report": place.wrapper_begin.decode("latin-1") if place.wrapper_begin is not None else None,
                "substitute": place.substitute,
                "announced": place.announced,
            }
            for place in found
        ],
    }


def text_problem_shape(problem: TextProblem) -> dict[str, object]:
    """`code`, `part`, `words`."""
    return {"code": problem.code.value, "part": problem.part, "words": problem.words}


def quarantined_shape(message: Quarantined) -> dict[str, object]:
    """`id`, `user`, `folder[]` (the mailbox's address, then the server's path), `uidvalidity`, `uid`, `reason`,
    `substitute` (what the server delivered in place of the message; empty: nothing), `sha256` (of the substitute in the
    archive, or null), `bytes` (of what `quarantine export` gives; null: nothing), `first_seen`, `last_tried`,
    `attempts`, `retry` (true: to be tried again by the next run), `accepted{at, by, reason}` (null: not accepted).
    """
    accepted = None
    if message.accepted is not None:
        accepted = {"at": utc(message.accepted), "by": message.accepted_by, "reason": message.acceptance}
    return {
        "id": message.id,
        "user": message.user_name,
        "folder": [message.address, *message.path],
        "uidvalidity": message.uidvalidity,
        "uid": message.uid,
        "reason": message.reason,
        "substitute": message.substitute,
        "sha256": None if message.sha256 is None else message.sha256.hex(),
        "bytes": message.size,
        "first_seen": utc(message.first_seen),
        "last_tried": utc(message.last_tried),
        "attempts": message.attempts,
        "retry": message.retry,
        "accepted": accepted,
    }


def deletion_shape(row: Deletion) -> dict[str, object]:
    """`id`, `run`, `folder[]` (the mailbox's address, then the server's path), `uidvalidity`, `uid`, `sha256`,
    `planned`, `deleted` (null: not yet confirmed). With `--kept`: `run`, `folder[]`, `uidvalidity`, `uid`, `sha256`,
    `reason`, `announced` and `received` (bytes that the server announces and those that it delivered, or null if they
    are not the reason), `noted` (when the rule was last applied).
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


def kept_shape(row: KeptMessage) -> dict[str, object]:
    """Return a message that rules leave on the server; `deletion_shape` describes it."""
    return {
        "run": row.run_id,
        "folder": [row.address, *row.path],
        "uidvalidity": row.uidvalidity,
        "uid": row.uid,
        "sha256": row.sha256.hex(),
        "reason": row.reason,
        "announced": row.announced,
        "received": row.received,
        "noted": utc(row.noted),
    }
