"""JSON and CSV rows of connection tests and forecasts."""

from __future__ import annotations

from collections.abc import Sequence

from muniment.model.finding import Finding
from muniment.services.doctor.check_logins import LoginCheck
from muniment.services.doctor.probe_profile import Probe
from muniment.services.doctor.show_folders import MailboxFolders
from muniment.services.doctor.what_if import Forecast

#: Columns of the CSV report of `check_row`.
CHECK_COLUMNS = ("line", "user", "mailbox", "ok", "folders", "messages", "seconds", "error", "hint", "warnings")

#: Columns of the CSV report of `forecast_row`.
FORECAST_COLUMNS = (
    "user",
    "mailbox",
    "ok",
    "messages",
    "bytes",
    "renumbered",
    "filtered",
    "deletions",
    "seconds",
    "error",
    "hint",
)


def finding_shape(finding: Finding) -> dict[str, object]:
    """`step`, `verdict`, `found`, `advice`."""
    return {
        "step": finding.step,
        "verdict": finding.verdict.value,
        "found": finding.found,
        "advice": finding.advice,
    }


def probe_shape(probe: Probe) -> dict[str, object]:
    """`mailbox`, `ok`, `login` (method that runs use), `folders`, `messages` (null if the server does not report it),
    `capabilities[]`, `findings[{step, verdict, found, advice}]` (verdict: ok, warning or failed), `warnings[]`.
    """
    return {
        "mailbox": probe.mailbox,
        "ok": probe.error is None,
        "login": probe.login,
        "folders": probe.folders,
        "messages": probe.messages,
        "capabilities": probe.capabilities,
        "findings": [finding_shape(finding) for finding in probe.findings],
        "warnings": probe.warnings,
    }


def folders_shape(found: MailboxFolders) -> dict[str, object]:
    """`mailbox`, `folders[{path[], archived, reason, messages}]` (messages: null if the server does not report it),
    `unused[]` (patterns that match no folder).
    """
    return {
        "mailbox": found.mailbox,
        "folders": [
            {
                "path": list(effective.folder.path),
                "archived": effective.is_archived,
                "reason": effective.reason,
                "messages": effective.folder.status.messages if effective.folder.status else None,
            }
            for effective in found.folders
        ],
        "unused": found.unused,
    }


def check_shape(check: LoginCheck) -> dict[str, object]:
    """`line` (in the CSV file, or null), `user`, `mailbox`, `ok`, `folders`, `messages` (null if the server does not
    report it), `seconds`, `error`, `hint` (both empty if the check succeeded), `warnings[]`.
    """
    return dict(zip(CHECK_COLUMNS, check_row(check), strict=True)) | {"warnings": list(check.warnings)}


def forecast_shape(forecasts: Sequence[Forecast], seconds: float | None) -> dict[str, object]:
    """`estimated_seconds` (null if nothing has been archived yet), `mailboxes[{user, mailbox, ok, messages, bytes,
    renumbered, filtered, deletions, seconds, error, hint, kept{reason: count}, warnings[]}]` (messages and bytes: to be
    fetched; renumbered: how many of these messages are in folders with a new UIDVALIDITY, most of which will be
    recognised by content; deletions: messages that would be deleted on the server; kept: archived messages that would
    stay on the server).
    """
    return {
        "estimated_seconds": None if seconds is None else round(seconds, 1),
        "mailboxes": [
            {
                **dict(zip(FORECAST_COLUMNS, forecast_row(forecast), strict=True)),
                "kept": dict(forecast.kept),
                "warnings": forecast.warnings,
            }
            for forecast in forecasts
        ],
    }


def check_row(check: LoginCheck) -> tuple[object, ...]:
    """Return one row of a report with `CHECK_COLUMNS`."""
    return (
        check.line,
        check.user,
        check.mailbox,
        not check.error,
        check.folders,
        check.messages,
        round(check.seconds, 2),
        check.error,
        check.hint,
        "; ".join(check.warnings),
    )


def forecast_row(forecast: Forecast) -> tuple[object, ...]:
    """Return one row of a report with `FORECAST_COLUMNS`."""
    return (
        forecast.user,
        forecast.mailbox,
        not forecast.error,
        forecast.messages,
        forecast.bytes,
        forecast.renumbered,
        forecast.filtered,
        len(forecast.deletions),
        round(forecast.seconds, 2),
        forecast.error,
        forecast.hint,
    )
