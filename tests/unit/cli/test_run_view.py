from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from muniment.cli.kit.exit_codes import ExitCode
from muniment.cli.runs.run_view import exit_code, messages_text, print_report, run_row
from muniment.model.run import (
    Failure,
    HeldCounts,
    JobState,
    MailboxCounts,
    MailboxResult,
    MessageCounts,
    Notice,
    Run,
    RunState,
)
from muniment.services.runs.lifecycle import RunReport
from muniment.shapes.runs import report_shape

START = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)
RUN = Run(
    id=7,
    profile="office",
    state=RunState.FAILED,
    started=START,
    finished=START + timedelta(seconds=10),
    mailboxes=MailboxCounts(total=5, done=3, failed=2, running=0, queued=0, cancelled=0),
    messages=MessageCounts(seen=2100, archived=2000, known=97, quarantined=3),
    bytes=20_000_000,
    warnings=["accepts all certificates"],
)
REPORT = RunReport(
    RUN,
    [Failure("anna@example.com", "login refused", "check the password"), Failure("bob@example.com", "cut off", "")],
    [Notice("eve@example.com", ["the mailbox is empty"], "")],
)


def printed(report: RunReport, *, failures_shown: int | None = None) -> str:
    """Return the summary as printed to a pipe."""
    file = io.StringIO()
    print_report(report, out=Console(file=file, width=1000, markup=False), failures_shown=failures_shown)
    return file.getvalue()


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (RunState.SUCCEEDED, ExitCode.OK),
        (RunState.INCOMPLETE, ExitCode.INCOMPLETE),
        (RunState.FAILED, ExitCode.MAILBOXES_FAILED),
        (RunState.CANCELLED, ExitCode.CANCELLED),
        (RunState.RUNNING, ExitCode.OK),
    ],
)
def test_exit_code_follows_the_state(state: RunState, code: ExitCode) -> None:
    """The exit code of a command that waits for a run reports the result."""
    assert exit_code(replace(RUN, state=state)) is code


def test_json_has_the_promised_keys() -> None:
    """Scripts rely on these names: keys may be added but not removed."""
    shape = json.loads(json.dumps(report_shape(REPORT)))

    assert shape == {
        "id": 7,
        "profile": "office",
        "state": "failed",
        "started": "2024-05-01T12:00:00Z",
        "finished": "2024-05-01T12:00:10Z",
        "mailboxes": {"total": 5, "done": 3, "failed": 2, "running": 0, "queued": 0, "cancelled": 0},
        "messages": {
            "seen": 2100,
            "archived": 2000,
            "known": 97,
            "quarantined": 3,
            "filtered": 0,
            "deleted": 0,
            "on_server": None,
            "proven": None,
            "missing": None,
            "accepted": None,
            "left_out": None,
        },
        "bytes": 20_000_000,
        "warnings": ["accepts all certificates"],
        "scheduled": False,
        "paused_until": None,
        "failures": [
            {"mailbox": "anna@example.com", "error": "login refused", "hint": "check the password"},
            {"mailbox": "bob@example.com", "error": "cut off", "hint": ""},
        ],
        "notices": [{"mailbox": "eve@example.com", "warnings": ["the mailbox is empty"], "error": ""}],
        "results": [],
    }


HELD = HeldCounts(on_server=1440, missing=2, accepted=1, left_out=7)


def test_json_of_a_mailbox() -> None:
    """Each mailbox has its own numbers."""
    counts = MessageCounts(0, 0, 0, 0, held=HELD)
    result = MailboxResult("anna@example.com", JobState.DONE, counts, 5, odd_sizes=3, substitutes=1)
    [shape] = json.loads(json.dumps(report_shape(replace(REPORT, results=[result]))))["results"]

    messages = shape.pop("messages")
    assert shape == {"mailbox": "anna@example.com", "state": "done", "bytes": 5, "odd_sizes": 3, "substitutes": 1}
    assert messages["on_server"] == 1440
    assert messages["proven"] == 1430
    assert (messages["missing"], messages["accepted"], messages["left_out"]) == (2, 1, 7)


def test_a_run_without_news_says_what_is_proven() -> None:
    """A second run has nothing to fetch: it proves what is there, and calls nothing archived."""
    counts = MessageCounts(0, 0, 0, 0, held=HeldCounts(1440))
    done = MailboxCounts(total=3, done=3, failed=0, running=0, queued=0, cancelled=0)
    run = replace(RUN, state=RunState.SUCCEEDED, messages=counts, mailboxes=done)

    assert messages_text(run) == "1,440 on the server, 1,440 proven; 0 archived now, 1,440 known before"


def test_what_is_missing_is_said() -> None:
    """Messages that are missing, accepted or left out are counted apart; so are mailboxes that are not done."""
    run = replace(RUN, messages=MessageCounts(32, 30, 0, 2, deleted=4, held=HELD))

    assert messages_text(run) == (
        "1,440 on the server in 3 mailboxes, 1,430 proven, 2 missing, 1 accepted as missing, 7 left out; "
        "30 archived now, 1,400 known before; 4 deleted on the server"
    )


def test_the_table_of_mailboxes() -> None:
    """Mailboxes that need attention come first; one that is not done has no numbers of the server."""
    done = MailboxResult("a@example.com", JobState.DONE, MessageCounts(5, 5, 0, 0, held=HeldCounts(20)), 5)
    lacking = MailboxResult("b@example.com", JobState.DONE, MessageCounts(0, 0, 0, 0, held=HELD), 0)
    failed = MailboxResult("c@example.com", JobState.FAILED, MessageCounts(3, 3, 0, 0), 3)
    text = printed(replace(REPORT, results=[done, lacking, failed]))
    rows = [" ".join(line.split()) for line in text.splitlines() if "@example.com " in line and ":" not in line]

    assert rows == [
        "b@example.com incomplete 1,440 1,430 0 1,430 2 + 1 accepted 7",
        "c@example.com failed 3",
        "a@example.com done 20 20 5 15 0 0",
    ]
    assert text.count("login refused") == 1


def test_summary_says_what_happened_and_what_to_do() -> None:
    """The summary contains counts, speed, warnings, failures with hints, and quarantined messages."""
    text = printed(REPORT)

    assert "3 of 5 done, 2 failed" in text
    assert "2,100 seen: 2,000 archived, 97 already known, 3 in quarantine" in text
    counts = replace(RUN.messages, filtered=12, deleted=1500)
    busy = printed(replace(REPORT, run=replace(RUN, messages=counts)))
    assert "3 in quarantine; 12 excluded by the filter; 1,500 deleted on the server" in busy
    assert "10.0 s (200 messages/s, 2.0 MB/s)" in text
    assert "warning: accepts all certificates" in text
    assert "failed: anna@example.com: login refused\n  hint: check the password\n" in text
    assert "warning: eve@example.com: the mailbox is empty" in text


def test_a_pause_is_shown() -> None:
    """A run outside its time windows shows when it continues; a scheduled run shows that the schedule started it."""
    waiting = replace(
        RUN, state=RunState.RUNNING, finished=None, scheduled=True, paused_until=START + timedelta(hours=8)
    )
    text = printed(replace(REPORT, run=waiting))
    assert "when the profile's next time window opens" in text
    assert "by the schedule" in text


def test_long_lists_of_failures_are_truncated_with_a_pointer() -> None:
    """After waiting for a run, only the first failures are shown, with the command that lists all."""
    text = printed(REPORT, failures_shown=1)

    assert "bob@example.com" not in text
    assert "1 more failed mailbox; to list all: `muniment run show 7`" in text


def test_a_server_cannot_drive_the_terminal_with_its_answer() -> None:
    """Error texts are untrusted: escape sequences are removed."""
    report = replace(REPORT, failures=[Failure("a@example.com", "NO \x1b]0;pwned\x07\x1b[2J", "")])

    assert "\x1b" not in printed(report)


def test_a_run_that_never_archived_anything_has_no_speed() -> None:
    """Zero messages in zero seconds do not cause a division by zero."""
    run = replace(RUN, finished=START, messages=MessageCounts(0, 0, 0, 0), bytes=0)

    assert "messages/s" not in printed(RunReport(run, [], []))
    assert str(run_row(run)[4]) == "0.0 s"
