"""What the doctor finds in an open mailbox."""

from __future__ import annotations

from typing import Any

import pytest

from muniment.errors import CommandRefused
from muniment.mailserver.memory import MemoryMailServer
from muniment.mailserver.memory_mailbox import CAPABILITIES, MemoryFolder
from muniment.model.deletion_rule import AT_ONCE, DeletionRule
from muniment.model.finding import Finding, Verdict
from muniment.model.folder_scope import FolderScope
from muniment.services.doctor.diagnose_mailbox import diagnose_mailbox
from tests.support.memory_mail import ANNA, folder
from tests.unit.services.conftest import SERVER, OpenInbox, profile


async def _findings(open_inbox: OpenInbox, *, is_csv: bool = False, **changes: Any) -> dict[str, Finding]:
    session = await open_inbox()
    listed = await session.list_folders()
    of = None if is_csv else profile(**changes)
    return {one.step: one async for one in diagnose_mailbox(session, listed, SERVER, of)}


async def test_all_is_well(open_inbox: OpenInbox) -> None:
    found = await _findings(open_inbox)

    assert {step: one.verdict for step, one in found.items()} == dict.fromkeys(
        ["capabilities", "folders", "SEARCH", "FETCH"], Verdict.OK
    )
    assert found["folders"].found == "1 of 1 are archived, 10 messages"


async def test_deletion_needs_uidplus(open_inbox: OpenInbox, mail: MemoryMailServer) -> None:
    """Only a profile that deletes misses it."""
    mail.capabilities = CAPABILITIES - {"UIDPLUS"}

    assert (await _findings(open_inbox))["capabilities"].verdict is Verdict.OK
    deleting = await _findings(open_inbox, deletion=DeletionRule(after=AT_ONCE))
    assert deleting["capabilities"].verdict is Verdict.WARNING


async def test_no_folder_is_archived(open_inbox: OpenInbox) -> None:
    """Nothing would come of a run; a CSV file has no rule that leaves folders out."""
    nothing = FolderScope(exclude=("INBOX",))

    assert (await _findings(open_inbox, folders=nothing))["folders"].verdict is Verdict.FAILED
    assert (await _findings(open_inbox, is_csv=True))["folders"].verdict is Verdict.OK


@pytest.mark.parametrize(
    ("inbox", "step"),
    [(MemoryFolder(), "messages"), (folder("inbox", 3, uidvalidity=0), "UIDVALIDITY")],
    ids=["empty", "without UIDVALIDITY"],
)
async def test_doubtful_folders(open_inbox: OpenInbox, mail: MemoryMailServer, inbox: MemoryFolder, step: str) -> None:
    """An empty mailbox may be a mistake; without UIDVALIDITY each run fetches everything again."""
    mail.mailboxes[ANNA]["INBOX"] = inbox
    found = await _findings(open_inbox)

    assert found[step].verdict is Verdict.WARNING
    assert found[step].advice


async def test_messages_that_are_counted_and_not_listed(open_inbox: OpenInbox, inbox: MemoryFolder) -> None:
    inbox.messages[2].is_hidden = True
    found = await _findings(open_inbox)

    assert found["SEARCH"].verdict is Verdict.WARNING
    assert "counts 10 messages and lists 9" in found["SEARCH"].found


async def test_a_folder_that_cannot_be_read(open_inbox: OpenInbox, mail: MemoryMailServer) -> None:
    """The largest folder that is archived is looked into; a refusal would fail the run."""

    async def refuse(command: str) -> None:
        if command == "SEARCH":
            raise CommandRefused("NO [NOPERM]")

    mail.before_command = refuse
    found = await _findings(open_inbox)

    assert found["reading"].verdict is Verdict.FAILED
    assert "INBOX: NO [NOPERM]" in found["reading"].found
