"""How archives and proofs are printed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from muniment.cli.archive_view import print_folders, print_mailboxes
from muniment.cli.kit.proofs import proofs_text
from muniment.model.proof import NO_PROOFS, ArchivedFolder, ArchivedMailbox, Proofs
from muniment.services.reading.show_archive import ArchiveView

_NIGHT, _NOON = datetime(2026, 1, 2, 2, 0, tzinfo=UTC), datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
_OLD, _NEW = datetime(2019, 5, 1, tzinfo=UTC), datetime(2025, 5, 1, tzinfo=UTC)
_MAILBOX = ArchivedMailbox("anna", "anna@example.com", 1, 1445, 5, _OLD, _NEW, 1440, 0, 0, _NIGHT, _NOON)
_FOLDER = ArchivedFolder(
    "anna@example.com", ["INBOX"], 1445, 5, _OLD, _NEW, 1440, 0, 0, 0, _NIGHT, _NOON, None, "", distributed=False
)


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")


def _words(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_folders_and_their_proof(capsys: pytest.CaptureFixture[str]) -> None:
    """Comparison and unchanged STATUS are told apart; what is on the server is called proven, never archived."""
    print_folders(ArchiveView([_MAILBOX], 1, [_FOLDER]), 10)

    assert _words(capsys.readouterr().out) == [
        "folder messages oldest newest on server missing compared unchanged until",
        "anna@example.com/INBOX 1,445 2019-05-01 2025-05-01 1,440 0 2026-01-02 02:00 UTC 2026-01-02 12:00 UTC",
        "",
        "anna@example.com: 1,445 messages in 1 folder, 5 of them no longer on the server; 1,440 on the server, "
        "1,440 proven; compared at 2026-01-02 02:00 UTC or later",
    ]


def test_what_is_wrong_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """Missing, filtered and quarantined messages, and folders that are gone or do not open."""
    bad = replace(_FOLDER, missing=2, filtered=3, quarantined=1, refusal="NO not you", vanished=_NOON, unmoved=None)
    print_folders(ArchiveView([replace(_MAILBOX, missing=2, filtered=3, proven=None)], 1, [bad]), 10)
    printed = capsys.readouterr().out

    assert "1,440 on the server, 1,435 proven, 3 left out by the filter, 2 missing; never proven complete" in printed
    assert "1 message in quarantine" in printed
    assert "the server did not open it: NO not you" in printed
    assert "the server has not listed it since 2026-01-02 12:00 UTC" in printed


def test_only_so_many_lines(capsys: pytest.CaptureFixture[str]) -> None:
    print_folders(ArchiveView([_MAILBOX], 1, [_FOLDER] * 5), 2)
    print_mailboxes(ArchiveView([_MAILBOX], 3))
    printed = capsys.readouterr().out

    assert "… and 3 more folders" in printed
    assert "… and 2 more mailboxes" in printed


def test_a_mailbox_compared_by_the_last_run(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing to be said about STATUS."""
    print_mailboxes(ArchiveView([replace(_MAILBOX, visited=_NIGHT)], 1))
    print_mailboxes(ArchiveView([], 0))

    assert _words(capsys.readouterr().out)[1:] == [
        "anna@example.com anna 1 1,445 2019-05-01 2025-05-01 1,440 0 2026-01-02 02:00 UTC -",
        "nothing is archived yet",
    ]


@pytest.mark.parametrize(
    ("proofs", "text"),
    [
        (NO_PROOFS, "no mailbox is proven complete yet"),
        (Proofs(1, _NIGHT, 0), "1 mailbox, UIDs compared at 2026-01-02 02:00:00 UTC or later"),
        (
            Proofs(3, _NIGHT, 2),
            "3 mailboxes, UIDs compared at 2026-01-02 02:00:00 UTC or later; 2 unchanged by STATUS since",
        ),
    ],
)
def test_proofs_in_one_line(proofs: Proofs, text: str) -> None:
    assert proofs_text(proofs) == text
