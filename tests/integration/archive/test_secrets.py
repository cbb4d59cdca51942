"""Passwords are stored encrypted in their column, and appear nowhere else."""

from __future__ import annotations

import base64
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog

from muniment.db.database import Session
from muniment.errors import Misconfigured
from muniment.model.login import LoginMethod
from muniment.model.profile import ProfileKind
from muniment.model.run import RunState
from muniment.sealing import KeyRing
from muniment.secrecy import Secret, create_key_file
from muniment.services.doctor.probe_profile import probe_profile
from muniment.services.runs.lifecycle import show_run, start_run
from muniment.services.runs.tick import pump_runs
from tests.support.harness import Harness
from tests.support.imap_script import Fault
from tests.support.imap_server import ImapServer
from tests.support.principal import ADMIN
from tests.support.scripted import NEIGHBOURS, TARGET, mailbox, neighbourhood, submit

PASSWORD = 'hunter2-Zwölf\\"quoted" {13}'


def spellings(authorize_as: str = "") -> list[str]:
    """Return every form in which the password might appear."""
    return [
        PASSWORD,
        PASSWORD.replace("\\", "\\\\").replace('"', '\\"'),
        repr(PASSWORD)[1:-1],
        repr(PASSWORD.encode())[2:-1],
        base64.b64encode(f"{authorize_as}\0archiver\0{PASSWORD}".encode()).decode(),
        PASSWORD.encode().hex(),
        "hunter2",
    ]


async def rows_as_text(session: Session) -> str:
    """Return every row of every table."""
    tables = await session.values("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    texts = []
    for table in tables:
        texts += await session.values(f"SELECT t::text FROM {table} AS t")  # noqa: S608 - names from the catalogue
    assert len(tables) > 10
    return "\n".join(texts)


@asynccontextmanager
async def capturing_events() -> AsyncIterator[list[Any]]:
    """Collect Muniment's own log events completely, including exceptions."""
    with structlog.testing.capture_logs() as events:
        yield events


@pytest.mark.parametrize("kind", [ProfileKind.MASTER, ProfileKind.SINGLE, ProfileKind.CSV])
async def test_password_is_nowhere(harness: Harness, caplog: pytest.LogCaptureFixture, kind: ProfileKind) -> None:
    """In a run with many kinds of failures, no row, task, log record, error or answer contains the password."""
    caplog.set_level(logging.DEBUG)
    script = neighbourhood(mailbox("target"))
    script.faults = [
        Fault("EXAMINE", reply="NO [LIMIT] slow down", times=1),
        Fault("UID FETCH", containing="BODY", cut_after=100, times=1),
        Fault("LIST", hang=True, times=1),
        Fault("AUTHENTICATE", reply=f"NO I do not like {PASSWORD}", containing="Y2FybGFA"),
        Fault("LOGIN", reply=f"NO [UNAVAILABLE] I do not like {PASSWORD} now", times=1),
        Fault("LIST", raw=b"\xff\xfe garbage \0\r\n", times=1),
    ]
    login = {"user": "archiver"}
    if kind is ProfileKind.SINGLE:
        login = {"user": TARGET}
    request: dict[str, Any] = {
        "kind": kind,
        "login": LoginMethod.parse("plain-authzid" if kind is ProfileKind.MASTER else "login"),
        "password": Secret(PASSWORD),
        "mailboxes": [TARGET, *NEIGHBOURS] if kind is ProfileKind.MASTER else None,
        "csv": None,
        **login,
    }
    if kind is ProfileKind.CSV:
        quoted = PASSWORD.replace('"', '""')
        request |= {
            "csv": "\n".join(["user,password", *(f'{a},"{quoted}"' for a in (TARGET, *NEIGHBOURS))]).encode(),
            "password": Secret(""),
            "user": "",
        }
    published = []
    async with ImapServer(script) as server, capturing_events() as events:
        await submit(harness, server, timeout_seconds=0.3, **request)
        run_id = await start_run(ADMIN, harness.resources, "all")
        while not (await harness.run(run_id)).state.is_final:
            published += list(harness.queue.tasks)
            await harness.work()
            await pump_runs(ADMIN, harness.resources)
        report = await show_run(ADMIN, harness.resources, run_id)
        probe = await probe_profile(ADMIN, harness.resources, "all", TARGET)
    async with harness.database.session() as session:
        rows = await rows_as_text(session)
        sealed = await session.values("SELECT password FROM profiles UNION ALL SELECT password FROM profile_mailboxes")

    logged = "\n".join([*(repr(vars(r)) + r.getMessage() for r in caplog.records), caplog.text, repr(events)])
    shown = {"rows": rows, "tasks": repr(published), "log": logged, "report": repr(report), "probe": repr(probe)}
    assert [
        (where, spelling)
        for where, text in shown.items()
        for address in ("", TARGET, *NEIGHBOURS)
        for spelling in spellings(address)
        if spelling in text
    ] == []
    assert "slice failed" in logged
    assert {int} == {type(value) for _, ids in published for value in ids}
    assert {b"\x02"} == {value[:1] for value in sealed if value}


async def test_other_key_is_a_misconfiguration(harness: Harness, tmp_path: Path) -> None:
    """With a different key, runs and tests of profiles fail with a hint about the key file."""
    create_key_file(tmp_path / "other.key")
    other = Harness(replace(harness.resources, secrets=KeyRing.from_key_file(tmp_path / "other.key")), harness.folder)
    script = neighbourhood(mailbox("target"), ())
    async with ImapServer(script) as server:
        await submit(harness, server)
        report = await other.archive("all")
        with pytest.raises(Misconfigured):
            await probe_profile(ADMIN, other.resources, "all")

    assert report.run.state == RunState.FAILED
    assert "is not the one" in report.failures[0].error
    assert "MUNIMENT_SECRET_KEY_FILE" in report.failures[0].hint
    assert server.lines == []
