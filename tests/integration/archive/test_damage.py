# ruff: noqa: S608 - the statements are the test's own
"""Damage in the store: verify names it by user, folder and UID; export omits it and reports that."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import LiteralString

import pytest

from muniment.contents.codec import CUT_BYTES
from muniment.services.reading.export_archive import ExportFormat, export_archive
from muniment.services.reading.verify_archive import verify_archive
from tests.support.harness import Harness, hashes
from tests.support.imap_script import Folder, Mail
from tests.support.imap_server import ImapServer
from tests.support.principal import ADMIN
from tests.support.scripted import NEIGHBOURS, TARGET, archive, mailbox, message, neighbourhood, source

LARGE = message("large", b"0123456789" * 1_000_000)
LAST = (len(LARGE) - 1) // CUT_BYTES
OF = "WHERE message_id = (SELECT message_id FROM entries WHERE uid = 70)"

DAMAGE = {
    "a byte flipped": (
        [f"UPDATE contents SET data = set_byte(data, 40, get_byte(data, 40) # 1) {OF} AND part = 1"],
        "cannot be decompressed|SHA-256",
    ),
    "other bytes of the same length": (
        [f"UPDATE contents SET codec = 0, data = decode(repeat('58', {CUT_BYTES}), 'hex') {OF} AND part = 1"],
        "has the SHA-256",
    ),
    "a part deleted": ([f"DELETE FROM contents {OF} AND part = 1"], "part 1 of the content is missing"),
    "the last part deleted": ([f"DELETE FROM contents {OF} AND part = {LAST}"], "bytes short"),
    "all parts deleted": ([f"DELETE FROM contents {OF}"], "bytes short"),
    "an unknown codec": ([f"UPDATE contents SET codec = 9 {OF} AND part = 0"], "unknown codec 9"),
    "the content of another": (
        [
            f"DELETE FROM contents {OF}",
            "INSERT INTO contents SELECT store_id, (SELECT message_id FROM entries WHERE uid = 70), part, codec, data"
            " FROM contents WHERE message_id = (SELECT min(message_id) FROM entries WHERE uid = 1)",
        ],
        "bytes short",
    ),
    "a part too many": (
        [
            f"INSERT INTO contents SELECT store_id, message_id, {LAST + 1}, codec, data"
            f" FROM contents {OF} AND part = {LAST}"
        ],
        "",
    ),
    "the message deleted": (
        [f"DELETE FROM messages {OF.replace('message_id =', 'id =', 1)}"],
        "the message is missing",
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
async def test_damage_is_named_and_left_out(harness: Harness, tmp_path: Path, kind: str) -> None:
    """Damaged content is reported at every place where it is filed and never exported; everything else is."""
    statements, detail = DAMAGE[kind]
    script = neighbourhood(mailbox("target"), NEIGHBOURS[:1])
    for user, folder in ((TARGET, b"Archive"), (NEIGHBOURS[0], b"Sent")):
        there: Folder = script.mailboxes[user][folder]
        there.messages = [*there.messages, Mail(70 if user == TARGET else 71, LARGE)]
    async with ImapServer(script) as server:
        await archive(harness, server)
    clean = await verify_archive(ADMIN, harness.resources)
    await damage(harness, statements)

    report = await verify_archive(ADMIN, harness.resources)
    exports = [
        await export_archive(ADMIN, harness.resources, TARGET, format=form, directory=tmp_path / form)
        for form in ExportFormat
    ]

    assert clean.damage == []
    places = [
        f"user {NEIGHBOURS[0]}, folder {NEIGHBOURS[0]}/Sent, UID 71",
        f"user {TARGET}, folder {TARGET}/Archive, UID 70",
    ]
    assert places == sorted(found.where for found in report.damage)
    assert all(re.search(detail, found.detail) for found in report.damage)
    for exported in exports:
        [line] = exported.damaged
        assert line.startswith(f"{TARGET}/Archive UID 70: ")
        assert exported.messages == 18
    expected = source(script.mailboxes[TARGET])
    expected["Archive",] -= hashes([LARGE])
    assert expected == await harness.exported(TARGET, "again")


async def damage(harness: Harness, statements: Sequence[LiteralString]) -> None:
    """Change the store directly in the database."""
    async with harness.administrator() as session:
        for statement in statements:
            await session.execute(statement)


async def test_progress_counts_everything(harness: Harness) -> None:
    """Verify reports its progress and reads every message once."""
    script = neighbourhood(mailbox("target"))
    async with ImapServer(script) as server:
        await archive(harness, server)
    steps: list[tuple[int, int]] = []
    report = await verify_archive(ADMIN, harness.resources, lambda messages, size: steps.append((messages, size)))

    assert [n + 1 for n in range(72)] == [messages for messages, _ in steps]
    assert (72, steps[-1][1]) == (report.messages, report.bytes)
