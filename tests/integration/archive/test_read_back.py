"""Reading back many stored messages at a time: bytes are never mixed up, and damage affects only its message."""

from __future__ import annotations

from pathlib import Path

import pytest

from muniment.contents import postgres as stored_contents
from muniment.model.run import RunState
from muniment.services.reading.export_archive import export_archive
from muniment.services.reading.verify_archive import verify_archive
from tests.support.harness import Harness
from tests.support.imap_script import Folder, Mail, Script
from tests.support.imap_server import ImapServer
from tests.support.principal import ADMIN
from tests.support.scripted import TARGET, archive, message, source

MIB = 1024 * 1024
TWICE = message("twice")


def folder() -> Folder:
    """Return small and large messages alternately, an empty one, and one that is filed three times."""
    contents = [
        *(message(f"small-{number}") for number in range(5)),
        message("one part", b"x" * 3 * MIB),
        TWICE,
        b"",
        message("two parts", bytes(range(256)) * (6 * MIB // 256)),
        TWICE,
        message("just below a part", b"y" * (4 * MIB - 400)),
        *(message(f"more-{number}") for number in range(5)),
        TWICE,
    ]
    return Folder([Mail(uid, raw) for uid, raw in enumerate(contents, start=1)])


@pytest.mark.parametrize("window", [1, 2, 3, 200])
async def test_windows_do_not_mix(harness: Harness, monkeypatch: pytest.MonkeyPatch, window: int) -> None:
    """However many messages are read at once, each is returned as archived, and indexed."""
    monkeypatch.setattr(stored_contents, "WINDOW_MESSAGES", window)
    script = Script(mailboxes={TARGET: {b"INBOX": folder()}})
    async with ImapServer(script) as server:
        report = await archive(harness, server)

    exported = await harness.exported(TARGET)
    verified = await verify_archive(ADMIN, harness.resources)

    assert report.run.state == RunState.SUCCEEDED
    assert source(script.mailboxes[TARGET]) == exported
    assert (verified.messages, verified.damage) == (15, [])


async def test_damage_stays_with_its_message(harness: Harness, tmp_path: Path) -> None:
    """A small message whose content is missing is reported; the others read in the same window are exported."""
    script = Script(mailboxes={TARGET: {b"INBOX": folder()}})
    async with ImapServer(script) as server:
        await archive(harness, server)
    async with harness.administrator() as session:
        await session.execute(
            "DELETE FROM contents WHERE message_id = (SELECT message_id FROM entries WHERE uid = $1)", 3
        )

    report = await export_archive(ADMIN, harness.resources, TARGET, directory=tmp_path / "export")

    assert report.messages == 16
    assert [f"{TARGET}/INBOX UID 3"] == [text.partition(":")[0] for text in report.damaged]
