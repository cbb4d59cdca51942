"""JSON of runs."""

from __future__ import annotations

from muniment.model.run import Run
from muniment.services.runs.lifecycle import RunReport
from muniment.shapes.values import utc


def run_shape(run: Run) -> dict[str, object]:
    """`id`, `profile`, `state` (running, cancelling, succeeded, failed, cancelled), `started`, `finished` (null while
    running), `mailboxes{total, done, failed, running, queued, cancelled}`, `messages{seen, archived, known,
    quarantined, filtered, deleted}` (seen: sum of archived, known and quarantined; filtered: excluded by the profile's
    filter; deleted: deleted on the server by the profile's rule), `bytes` (archived), `warnings[]`, `scheduled` (true
    if the profile's schedule started the run), `paused_until` (when the next time window opens; null: not paused).
    """
    mailboxes, messages = run.mailboxes, run.messages
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
        "messages": {
            "seen": messages.seen,
            "archived": messages.archived,
            "known": messages.known,
            "quarantined": messages.quarantined,
            "filtered": messages.filtered,
            "deleted": messages.deleted,
        },
        "bytes": run.bytes,
        "warnings": run.warnings,
        "scheduled": run.scheduled,
        "paused_until": utc(run.paused_until),
    }


def report_shape(report: RunReport) -> dict[str, object]:
    """All keys of `run list`, `failures[{mailbox, error, hint}]`, `notices[{mailbox, warnings[], error}]` (mailboxes
    with warnings, and mailboxes that will be retried after an error).
    """
    return {
        **run_shape(report.run),
        "failures": [{"mailbox": f.mailbox, "error": f.error, "hint": f.hint} for f in report.failures],
        "notices": [{"mailbox": n.mailbox, "warnings": n.warnings, "error": n.error} for n in report.notices],
    }
