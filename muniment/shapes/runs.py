"""JSON of runs."""

from __future__ import annotations

from muniment.model.run import MailboxResult, MessageCounts, Run
from muniment.services.runs.lifecycle import RunReport
from muniment.shapes.values import utc


def run_shape(run: Run) -> dict[str, object]:
    """`id`, `profile`, `state` (running, cancelling, succeeded, incomplete, failed, cancelled; incomplete: no mailbox
    failed, but messages are missing), `started`, `finished` (null while running), `mailboxes{total, done, failed,
    running, queued, cancelled}`, `messages{seen, archived, known, quarantined, filtered, deleted, on_server, proven,
    missing, accepted, left_out}` (seen: sum of archived, known and quarantined; known: recognised by content; filtered:
    excluded by the profile's filter; deleted: deleted on the server by the profile's rule; on_server: in the mailboxes
    that are done, of which proven are archived, missing are not, accepted are missing with an administrator's consent,
    and left_out are excluded or have no owner; these five are null before the first mailbox is done), `bytes`
    (archived), `warnings[]`, `scheduled` (true if the profile's schedule started the run), `paused_until` (when the
    next time window opens; null: not paused).
    """
    mailboxes = run.mailboxes
    return {
        "id": run.id,
        "profile": run.profile,
        "state": run.state.value,
        "started": utc(run.started),
        "finished": utc(run.finished),
        "mailboxes": {
            "total": mailboxes.total,
            "done": mailboxes.done,
            "failed": mailboxes.failed,
            "running": mailboxes.running,
            "queued": mailboxes.queued,
            "cancelled": mailboxes.cancelled,
        },
        "messages": _counts_shape(run.messages),
        "bytes": run.bytes,
        "warnings": run.warnings,
        "scheduled": run.scheduled,
        "paused_until": utc(run.paused_until),
    }


def report_shape(report: RunReport) -> dict[str, object]:
    """All keys of `run list`, `failures[{mailbox, error, hint}]`, `notices[{mailbox, warnings[], error}]` (mailboxes
    with warnings, and mailboxes that will be retried after an error), `results[{mailbox, state, messages{…}, bytes,
    odd_sizes, substitutes}]` (each mailbox; messages as above; odd_sizes: new messages of another size than announced;
    substitutes: archived in place of others).
    """
    return {
        **run_shape(report.run),
        "failures": [{"mailbox": f.mailbox, "error": f.error, "hint": f.hint} for f in report.failures],
        "notices": [{"mailbox": n.mailbox, "warnings": n.warnings, "error": n.error} for n in report.notices],
        "results": [_result_shape(result) for result in report.results],
    }


def _result_shape(result: MailboxResult) -> dict[str, object]:
    return {
        "mailbox": result.mailbox,
        "state": result.state.value,
        "messages": _counts_shape(result.counts),
        "bytes": result.bytes,
        "odd_sizes": result.odd_sizes,
        "substitutes": result.substitutes,
    }


def _counts_shape(messages: MessageCounts) -> dict[str, object]:
    held = messages.held
    return {
        "seen": messages.seen,
        "archived": messages.archived,
        "known": messages.known,
        "quarantined": messages.quarantined,
        "filtered": messages.filtered,
        "deleted": messages.deleted,
        "on_server": None if held is None else held.on_server,
        "proven": None if held is None else held.proven,
        "missing": None if held is None else held.missing,
        "accepted": None if held is None else held.accepted,
        "left_out": None if held is None else held.left_out,
    }
