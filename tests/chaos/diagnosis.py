"""Finds where a message was lost: compares the mail server's files, its listing, and the archive."""

from __future__ import annotations

import asyncio
import imaplib

from muniment.services.resources import Resources
from tests.support.dovecot import MASTER, MASTER_PASSWORD
from tests.support.source import Source

_FOLDERS = """
SELECT concat_ws(' ', 'uidvalidity', uidvalidity, 'uidnext', uidnext, 'messages', messages, 'modseq', highestmodseq,
                 'cursor', last_uid, 'on server', on_server, 'missing', missing, 'proven', folders.proven,
                 'renumbered', renumbered,
                 'entries', (SELECT string_agg(concat(e.uidvalidity, '/', uid), ',' ORDER BY e.uidvalidity, uid)
                             FROM entries AS e WHERE folder_id = folders.id))
FROM folders JOIN mailboxes ON mailboxes.id = mailbox_id WHERE address = $1 AND path = $2
"""
_JOBS = """
SELECT string_agg(concat_ws(' ', 'run', run_id, state, 'fence', fence, 'seen', seen, started, finished),
                  '; ' ORDER BY jobs.id)
FROM (SELECT jobs.* FROM jobs JOIN mailboxes ON mailboxes.id = mailbox_id
      WHERE address = $1 ORDER BY id DESC LIMIT 2) AS jobs
"""


async def diagnose(resources: Resources, source: Source) -> str:
    """Describe each folder with an unexpected number of entries as the archive and the mail server see it."""
    told = []
    for address in source.addresses:
        for path, expected in source.contents[address].items():
            async with resources.database.session() as session:
                rows = await session.values(_FOLDERS, address, list(path))
                jobs = await session.value(_JOBS, address)
            entries = rows[0].split(" entries ")[1].split(",") if rows and " entries " in rows[0] else []
            if len(entries) != expected.total():
                listed = await asyncio.to_thread(_listed, source, address, path)
                told.append(f"{address} {path}: expected {expected.total()}; archive: {rows}; {listed}; jobs: {jobs}")
    return "\n".join(told)


def _listed(source: Source, address: str, path: tuple[str, ...]) -> str:
    directory = source.dovecot.maildir(address).folder(path)
    files = sorted(file.name for kind in ("cur", "new") for file in (directory / kind).iterdir())
    uidlist = directory / "dovecot-uidlist"
    name = '"' + "/".join(path) + '"'
    if not name.isascii():
        return f"{len(files)} files {files}; uidlist {uidlist.read_text()}"
    with imaplib.IMAP4("127.0.0.1", source.dovecot.port) as connection:
        connection.authenticate("PLAIN", lambda _: f"{address}\0{MASTER}\0{MASTER_PASSWORD}".encode())
        status = connection.status(name, "(MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ)")
        connection.select(name, readonly=True)
        found = connection.uid("SEARCH", "ALL")
    return f"{len(files)} files {files}; STATUS {status}; SEARCH {found}; uidlist {uidlist.read_text()}"
