"""A folder that no command can name fails by itself: the others are archived, and the run says what is missing."""

from __future__ import annotations

import pytest

from muniment.model.run import RunState
from tests.support.harness import Harness
from tests.support.imap_script import Folder
from tests.support.imap_server import ImapServer
from tests.support.scripted import TARGET, archive, assert_neighbours_exact, mailbox, mails, neighbourhood, source


@pytest.mark.parametrize("name", [b"Bad\x00Name", b"Bad&AAA-Name", b"Bad\xed\xa0\x80", b"Bad&2AA-", b"\xff\xfe\x01"])
async def test_a_strange_name_loses_no_mailbox(harness: Harness, name: bytes) -> None:
    """NUL as it is, NUL and lone surrogates in either encoding, and bytes that are no text."""
    box = mailbox("target", messages=3)
    script = neighbourhood({**box, name: Folder(mails("odd", 2), uidvalidity=77)})
    async with ImapServer(script) as server:
        report = await archive(harness, server)
        await assert_neighbours_exact(harness, script)

    exported = await harness.exported(TARGET)
    plain = source(box)
    assert {folder: exported[folder] for folder in plain} == plain
    if b"\0" in name:
        assert report.run.state is RunState.FAILED
        [failure] = report.failures
        assert "Bad\\x00Name" in failure.error
        assert "NUL" in failure.error
    else:
        assert report.run.state is RunState.SUCCEEDED
        assert len(exported) == len(plain) + 1
