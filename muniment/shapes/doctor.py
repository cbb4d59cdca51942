"""What checks of profiles find."""

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
    """`mailbox`, `ok`, `login` (the way that a run uses), `folders`, `messages` (null when the server does not tell),
    `capabilities[]`, `findings[{step, verdict, found, advice}]` (verdict: ok, warning or failed), `warnings[]`.
    """
    return {
        "mailbox": probe.mailbox,
        "ok": probe.error is None,
        "login": probe.login,
        "folders": probe.folders,
        "messages": probe.messages,
        "capabilities": probe.capabilities,
        "findings": [finding_shape(one) for one in probe.findings],
        "warnings": probe.warnings,
    }


def folders_shape(found: MailboxFolders) -> dict[str, object]:
    """`mailbox`, `folders[{path[], archived, reason, messages}]` (messages null when the server does not tell),
    `unused[]` (patterns that fit no folder).
    """
    return {
        "mailbox": found.mailbox,
        "folders": [
            {
                "path": list(one.folder.path),
                "archived": one.is_archived,
                "reason": one.reason,
                "messages": one.folder.status.messages if one.folder.status else None,
            }
            for one in found.folders
        ],
        "unused": found.unused,
    }


def check_shape(check: LoginCheck) -> dict[str, object]:
    """`line` (of the CSV file, or null), `user`, `mailbox`, `ok`, `folders`, `messages` (null when the server does not
    tell), `seconds`, `error`, `hint` (both empty when it went well), `warnings[]`.
    """
    return dict(zip(CHECK_COLUMNS, check_row(check), strict=True)) | {"warnings": list(check.warnings)}


def forecast_shape(forecasts: Sequence[Forecast], seconds: float | None) -> dict[str, object]:
    """`estimated_seconds` (null when nothing was archived yet), `mailboxes[{user, mailbox, ok, messages, bytes,
    renumbered, filtered, deletions, seconds, error, hint, kept{reason: count}, warnings[]}]` (messages and bytes: to
    fetch; renumbered: of them in folders with a new UIDVALIDITY, most of which will be recognised; deletions: messages
    that would be deleted on the server; kept: archived messages that stay there).
    """
    return {
        "estimated_seconds": None if seconds is None else round(seconds, 1),
        "mailboxes": [
            {
                **dict(zip(FORECAST_COLUMNS, forecast_row(one), strict=True)),
                "kept": dict(one.kept),
                "warnings": one.warnings,
            }
            for one in forecasts
        ],
    }


def check_row(check: LoginCheck) -> tuple[object, ...]:
    """Return one row for `CHECK_COLUMNS`."""
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
    """Return one row for `FORECAST_COLUMNS`."""
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
