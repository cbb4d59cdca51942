"""Runs."""

from __future__ import annotations

from muniment.model.run import Run
from muniment.services.runs.lifecycle import RunReport
from muniment.shapes.values import utc


def run_shape(run: Run) -> dict[str, object]:
    """`id`, `profile`, `state` (running, cancelling, succeeded, failed, cancelled), `started`, `finished` (null while
    it runs), `mailboxes{total, done, failed, running, queued, cancelled}`,
    `messages{seen, archived, known, quarantined, filtered, deleted}` (seen is the sum of the next three; filtered are those that
    the profile's filter left out, deleted those that its rule took from the server), `bytes` (archived), `warnings[]`, `scheduled` (whether
    the profile's schedule started it), `paused_until` (when its windows open; null: it goes on, or is over).
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
    """All that `run list` has, and `failures[{mailbox, error, hint}]`, `notices[{mailbox, warnings[], error}]` (mailboxes
    with warnings, and mailboxes that wait for another try after an error).
    """
    return {
        **run_shape(report.run),
        "failures": [{"mailbox": f.mailbox, "error": f.error, "hint": f.hint} for f in report.failures],
        "notices": [{"mailbox": n.mailbox, "warnings": n.warnings, "error": n.error} for n in report.notices],
    }
