"""Odd messages and folder names: the archived bytes are those sent, and a bad message does not block the others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import LiteralString

import pytest

from muniment.contents.codec import EncodedPart, checked
from muniment.db.database import Session
from muniment.model.run import RunState
from muniment.services.indexing.show_index import list_problems
from muniment.services.operating.show_status import list_quarantine, show_status
from muniment.services.operating.tend_quarantine import export_quarantined
from muniment.services.reading.export_archive import export_archive
from muniment.services.reading.verify_archive import verify_archive
from tests.support.harness import Harness, hashes
from tests.support.imap_script import Folder, Mail, Script
from tests.support.imap_server import ImapServer
from tests.support.principal import ADMIN
from tests.support.scripted import NEIGHBOURS, TARGET, archive, mailbox, mails, message, neighbourhood, source

AWKWARD = {
    "one byte": b"x",
    "only line ends": b"\r\n\r\n\r\n",
    "NULs": b"Subject: a\0b\r\nFrom: \0\r\nMessage-ID: <\0>\r\n\r\n\0\0\0",
    "only NULs": b"\0" * 5000,
    "bare LF": b"Subject: bare lf\nFrom: a@b\n\nline\nline\n",
    "bare CR": b"Subject: bare cr\rFrom: a@b\r\rline\rline\r",
    "mixed line ends": b"Subject: mixed\nFrom: a@b\r\rX: 1\r\n\n\rbody\r",
    "no header": b"\r\nbody only",
    "no body": b"Subject: no body",
    "header of 1 MB": b"Subject: " + b"long " * 200_000 + b"\r\n\r\nbody",
    "100,000 header fields": b"X-Field: value\r\n" * 100_000 + b"Subject: late\r\n\r\nbody",
    "invalid UTF-8": b"Subject: \xff\xfe\xc3\x28 \xed\xa0\x80\r\nFrom: \xf0\x28\x8c\xbc@x\r\n\r\n\xff\xff",
    "lone surrogate": b"Subject: =?utf-8?B?7aCA?= =?utf-16?B?2AA=?= =?utf-7?Q?+2AA-?=\r\n\r\nbody",
    "unknown charset": b"Subject: =?x-klingon?Q?=C3=A4?=\r\nContent-Type: text/plain; charset=x-klingon\r\n\r\n\xe4",
    "date of year 99999": b"Date: Mon, 1 Jan 99999 00:00:00 +9999\r\nSubject: when\r\n\r\nbody",
    "looks like IMAP": b"Subject: ) {12}\r\n\r\nA1 OK done\r\n* BYE\r\n* 1 FETCH (UID 1 BODY[] {3}\r\n)\r\n",
    "deep MIME": b"".join(
        b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (depth, depth) for depth in range(2000)
    ),
    "endless boundary": b"Content-Type: multipart/mixed; boundary=" + b"x" * 100_000 + b"\r\n\r\n--" + b"x" * 100_000,
    "many words": b"Subject: many words\r\n\r\n" + b" ".join(b"word%d" % n for n in range(200_000)),
    "one word of 3 MB": b"Subject: one word\r\n\r\n" + b"w" * 3_000_000,
}


async def test_awkward_bytes_come_back(harness: Harness) -> None:
    """A message with any bytes is archived, exported and verified exactly as sent, and can be searched."""
    script = neighbourhood({b"INBOX": Folder([Mail(n, raw) for n, raw in enumerate(AWKWARD.values(), start=1)])}, ())
    async with ImapServer(script) as server:
        report = await archive(harness, server)

    assert (report.run.state, report.run.messages.quarantined) == (RunState.SUCCEEDED, 0)
    assert source(script.mailboxes[TARGET]) == await harness.exported(TARGET)
    assert (await verify_archive(ADMIN, harness.resources)).damage == []
    status = await show_status(ADMIN, harness.resources)
    assert (len(AWKWARD), 0) == (status.index.indexed, status.index.outbox)
    cut = [
        one.subject
        for one in await list_problems(ADMIN, harness.resources, None, 100)
        if "different words" in str(one.reasons)
    ]
    assert cut == ["many words"]
    for words in ("bare lf", "bare cr", "mixed", "many words", "one word"):
        assert await harness.search(words), words


async def test_empty_message_is_archived(harness: Harness) -> None:
    """An empty message is archived, proven and exported as an empty file."""
    script = neighbourhood({b"INBOX": Folder([Mail(1, b""), Mail(2, message("other"))])}, ())
    async with ImapServer(script) as server:
        report = await archive(harness, server)

    assert (report.run.messages.archived, report.run.messages.quarantined) == (2, 0)
    assert {("INBOX",): hashes([b"", message("other")])} == await harness.exported(TARGET)


async def test_one_content_for_all_copies(harness: Harness) -> None:
    """A message found several times, in folders or mailboxes, is stored once and filed at every place."""
    script = neighbourhood(mailbox("target"))
    for folders in script.mailboxes.values():
        for folder in folders.values():
            folder.messages = [*folder.messages, *(Mail(uid, message("circular")) for uid in (50, 51, 60))]
    async with ImapServer(script) as server:
        report = await archive(harness, server)

    copies = 4 * 3 * 3
    assert report.run.messages.archived == 4 * 3 * 6 + copies
    for address, folders in script.mailboxes.items():
        assert source(folders) == await harness.exported(address)
    async with harness.database.session() as session:
        assert await session.value("SELECT count(*) FROM messages") == 4 * 3 * 6 + 1
        assert await session.value("SELECT count(*) FROM contents") == 4 * 3 * 6 + 1
        assert await session.value("SELECT count(*) FROM entries") == report.run.messages.archived
    (hit,) = await harness.search("circular")
    assert len(hit.places) == copies


async def test_what_postgresql_refuses_is_quarantined_with_its_bytes(harness: Harness) -> None:
    """A message whose row PostgreSQL refuses is quarantined as raw bytes with the reason; its folder continues."""
    bad = message("bad", b"\0\xff" * 3_000_000)
    inbox = Folder([*mails("target", 3), Mail(10, bad), *mails("later", 3, first=11)])
    script = neighbourhood({b"INBOX": inbox})
    async with ImapServer(script) as server:
        await change(harness, f"ALTER TABLE messages ADD CONSTRAINT picky CHECK (size <> {len(bad)})")
        report = await archive(harness, server)
        again = await harness.archive("all")
        [row] = await list_quarantine(ADMIN, harness.resources, 10)
        async with harness.database.session() as session:
            kept = await quarantined_bytes(session, bad)
        exported = bytearray()
        await export_quarantined(ADMIN, harness.resources, row.id, exported.extend)
        await change(harness, "ALTER TABLE messages DROP CONSTRAINT picky")
        healed = await harness.archive("all")

    assert (report.run.state, report.run.messages.quarantined) == (RunState.INCOMPLETE, 1)
    assert (row.uid, row.attempts) == (10, 2)
    assert "picky" in row.reason
    assert (kept, bytes(exported), row.size) == (bad, bad, len(bad))
    assert (again.run.messages.archived, again.run.messages.quarantined) == (0, 1)
    assert (healed.run.messages.archived, await list_quarantine(ADMIN, harness.resources, 10)) == (1, [])
    for address, folders in script.mailboxes.items():
        assert source(folders) == await harness.exported(address)


async def change(harness: Harness, statement: LiteralString) -> None:
    """Change the schema directly in the database."""
    async with harness.administrator() as session:
        await session.execute(statement)


async def test_flags_that_postgresql_cannot_hold_cost_no_message(harness: Harness) -> None:
    """A flag that PostgreSQL cannot store is omitted, and its message is archived."""
    inbox = Folder([Mail(1, message("good"), ("\\Seen",)), Mail(2, message("bad"), ("\\Seen", "nul\0flag"))])
    script = neighbourhood({b"INBOX": inbox}, ())
    async with ImapServer(script) as server:
        report = await archive(harness, server)

    assert (report.run.messages.archived, report.run.messages.quarantined) == (2, 0)
    assert source(script.mailboxes[TARGET]) == await harness.exported(TARGET)
    async with harness.database.session() as session:
        assert await session.values("SELECT flags FROM entries ORDER BY uid") == [["\\Seen"], ["\\Seen"]]


async def quarantined_bytes(session: Session, expected: bytes) -> bytes:
    """Return the raw bytes of the only message in quarantine."""
    sizes = await session.values("SELECT (part, codec::int, data) FROM quarantine_parts ORDER BY part")
    digest = bytes.fromhex(next(iter(hashes([expected]))))
    return b"".join(checked([EncodedPart(c, d) for _, c, d in sizes], sha256=digest, size=len(expected)))


async def test_too_large_message_is_left_and_said(harness: Harness) -> None:
    """A message above the size limit is quarantined with its size as the reason; its folder continues."""
    script = neighbourhood({b"INBOX": Folder([*mails("a", 2), Mail(5, b"x" * 50_001), *mails("b", 2, first=6)])}, ())
    small = harness.with_settings(max_message_bytes=50_000, spool_bytes=10_000)
    async with ImapServer(script) as server:
        report = await archive(small, server)
        [row] = await list_quarantine(ADMIN, harness.resources, 10)
        healed = await harness.archive("all")

    assert (report.run.messages.archived, report.run.messages.quarantined) == (4, 1)
    assert "50001 bytes, more than the 50000 allowed" in row.reason
    assert healed.run.messages.archived == 1
    assert source(script.mailboxes[TARGET]) == await harness.exported(TARGET)


# -- folder names ------------------------------------------------------------------------------------

NAMES: dict[bytes, tuple[str, ...]] = {
    b"INBOX": ("INBOX",),
    b"INBOX/Sub": ("INBOX", "Sub"),
    b"Entw&APw-rfe": ("Entwürfe",),
    b"&U,BTFw-/&ZeVnLIqe-": ("台北", "日本語"),
    b"&BB8EQAQ4BDIENQRC-": ("Привет",),
    b"&2D3eAA-": ("\N{GRINNING FACE}",),
    b"R&-D": ("R&D",),
    b'a "quoted" name': ('a "quoted" name',),
    b"back\\slash": ("back\\slash",),
    b"100% (sure) {x} *": ("100% (sure) {x} *",),
    b" leading and trailing ": (" leading and trailing ",),
    b"..": ("..",),
    b".": (".",),
    b"CON": ("CON",),
    b"con": ("con",),
    b"NIL": ("NIL",),
    "rohes UTF-8 äöü".encode(): ("rohes UTF-8 äöü",),
    b"/".join([b"deep"] * 40): ("deep",) * 40,
    b"x" * 255: ("x" * 255,),
    b"&broken": ("&broken",),
    b"&AAA-": ("\\x00",),
    b"&2AA-": ("&2AA-",),
}


@pytest.mark.parametrize("delimiter", [b"/", b".", b"\\", b"|"])
async def test_folder_names_of_any_script_and_delimiter(harness: Harness, tmp_path: Path, delimiter: bytes) -> None:
    """A folder with any name and delimiter is archived under its path and exported."""
    names = {}
    for wire, path in NAMES.items():
        if delimiter == b"/" or delimiter not in wire.replace(b"/", b""):
            names[wire.replace(b"/", delimiter)] = path
    script = Script(
        mailboxes={
            TARGET: {
                wire: Folder([Mail(1, message(f"m{number}"))], uidvalidity=number)
                for number, wire in enumerate(names, start=1)
            }
        },
        delimiter='"\\\\"' if delimiter == b"\\" else f'"{delimiter.decode()}"',
    )
    async with ImapServer(script) as server:
        report = await archive(harness, server)
        again = await harness.archive("all")
    exported = await export_archive(ADMIN, harness.resources, TARGET, directory=tmp_path / "out")

    assert (RunState.SUCCEEDED, [], len(names)) == (report.run.state, report.notices, report.run.messages.archived)
    assert again.run.messages.seen == 0
    assert exported.messages == len(names)
    listed = json.loads((tmp_path / "out" / "manifest.json").read_text())["messages"]
    assert sorted(map(list, names.values())) == sorted(entry["folder"][1:] for entry in listed)
    found = {entry["path"]: (tmp_path / "out" / entry["path"]).read_bytes() for entry in listed}
    assert hashes(list(found.values())) == hashes([message(f"m{n}") for n in range(1, len(names) + 1)])


async def test_folder_that_cannot_be_opened_is_named_whatever_its_name(harness: Harness) -> None:
    """The error about unreadable folders is stored even if a name contains NUL or an incomplete character."""
    script = neighbourhood(mailbox("target", folders=[b"INBOX", b"&AAA-", b"&2AA-x"]), NEIGHBOURS[:1])
    script.mailboxes[TARGET][b"&AAA-"].search_refused = "NO"
    script.mailboxes[TARGET][b"&2AA-x"].search_refused = "NO"
    async with ImapServer(script) as server:
        report = await archive(harness, server)

    [failure] = report.failures
    assert failure.error.startswith("2 of 3 folders cannot be read: ")
