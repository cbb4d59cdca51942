"""The audit log of services: every act leaves a row, whatever becomes of it."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from dataclasses import replace
from inspect import Parameter, isasyncgen, signature
from pathlib import Path
from typing import Any

import pytest

from muniment.db import audit
from muniment.errors import BadQuery, Conflict, Forbidden, NotFound, Unstorable
from muniment.model.audit_entry import AuditEntry, Outcome
from muniment.model.server_limits import ServerLimits
from muniment.services.access.audit import Action, act, audited, show_audit
from muniment.services.access.principal import Principal, Right
from muniment.services.directories.users import add_user
from muniment.services.operating.back_up import back_up
from muniment.services.operating.server_limits import limit_server, unlimit_server
from muniment.services.reading.export_archive import export_archive
from muniment.services.reading.show_message import show_message
from muniment.services.reading.verify_archive import verify_archive
from muniment.services.resources import Resources
from muniment.services.runs.lifecycle import cancel_run, start_due_runs, start_run
from muniment.services.searching.saved_searches import remove_search, request_search, save_search
from muniment.services.searching.search_messages import Search, search_messages
from tests.contracts.test_audited_services import AUDITED
from tests.contracts.test_services import SERVICES
from tests.support.harness import Harness
from tests.support.memory_mail import ANNA, MemoryWorld
from tests.support.principal import ADMIN

EVE = Principal("eve@host", frozenset({Right.ARCHIVE}), claimed="mallory")


async def log_of(resources: Resources) -> list[AuditEntry]:
    """Return the whole audit log, oldest first, without reading being recorded."""
    async with resources.database.session() as session:
        return list(reversed(await audit.latest(session, None, 1000)))


async def acts(resources: Resources) -> list[tuple[str, str, str]]:
    """Return action, subject and outcome of every row."""
    return [(entry.action, entry.subject, entry.outcome) for entry in await log_of(resources)]


class Anything:
    """Stands for every argument of a service: a refused call must not get to use it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Anything:
        return Anything(name)

    def __str__(self) -> str:
        return f"some {self._name}"


def arguments(function: Any) -> Iterator[Anything]:
    """Yield an argument for each that a service requires after the resources."""
    for one in list(signature(function).parameters.values())[2:]:
        if one.kind is Parameter.POSITIONAL_OR_KEYWORD:
            yield Anything(one.name)


@pytest.mark.parametrize("name", AUDITED)
async def test_a_refused_attempt_is_recorded(harness: Harness, name: str) -> None:
    """Whoever lacks the right leaves a row with the reason, though nothing else happens."""
    function = SERVICES[f"muniment.services.{name}"]
    nobody = Principal("nobody@host", frozenset(), user="anna")
    named = {
        one.name: Anything(one.name)
        for one in signature(function).parameters.values()
        if one.kind is Parameter.KEYWORD_ONLY and one.default is one.empty
    }
    given = [Search("words")] if name.endswith("search_messages") else list(arguments(function))

    called = function(nobody, harness.resources, *given, **named)
    with pytest.raises(Forbidden):
        await (anext(called) if isasyncgen(called) else called)

    last = (await log_of(harness.resources))[-1]
    assert (last.who, last.action, last.outcome) == ("nobody@host", AUDITED[name], Outcome.REFUSED)
    assert last.details is not None
    assert "nobody@host lacks the right" in last.details["error"]


async def test_changes_are_recorded_with_what_they_change(harness: Harness) -> None:
    """Users, limits, saved searches and runs: each change is one row, and a failed one says why."""
    resources = harness.resources
    await add_user(ADMIN, resources, "anna", ["anna@example.com"])
    with pytest.raises(Conflict):
        await add_user(ADMIN, resources, "anna", ["other@example.com"])
    await limit_server(ADMIN, resources, "mail.example.com", ServerLimits(3, 4.0, 5.0))
    await unlimit_server(ADMIN, resources, "mail.example.com")
    with pytest.raises(NotFound):
        await unlimit_server(ADMIN, resources, "mail.example.com")
    await save_search(ADMIN, resources, "anna", "mine", "subject:budget")
    await request_search(ADMIN, resources, "anna", "mine")
    await remove_search(ADMIN, resources, "anna", "mine")
    with pytest.raises(NotFound):
        await start_run(ADMIN, resources, "no such profile")

    assert await acts(resources) == [
        ("user added", "anna", "done"),
        ("user added", "anna", "failed"),
        ("server limited", "mail.example.com", "done"),
        ("server unlimited", "mail.example.com", "done"),
        ("server unlimited", "mail.example.com", "failed"),
        ("search saved", "anna", "done"),
        ("search requested", "anna", "done"),
        ("search removed", "anna", "done"),
        ("run started", "no such profile", "failed"),
    ]
    details = [entry.details or {} for entry in await log_of(resources)]
    assert (await log_of(resources))[0].after == {"name": "anna", "addresses": ["anna@example.com"]}
    assert details[1]["error"].startswith("Conflict: ")
    assert details[2] == {"connections": 3, "commands_per_second": 4.0, "bytes_per_second": 5.0}
    assert details[5] == {"name": "mine", "query": "subject:budget"}


async def test_reading_is_recorded_with_what_was_asked_for(world: MemoryWorld, tmp_path: Path) -> None:
    """Search words, the message shown, the folder exported, verification and backup, but nothing of a message."""
    await world.archive()
    resources = world.resources
    async with resources.database.session() as session:
        before = await session.value("SELECT max(id) FROM audit")
        digest: bytes = await session.value("SELECT sha256 FROM messages LIMIT 1")
    await search_messages(ADMIN.on_behalf_of(ANNA), resources, Search("from:somebody secret"))
    await show_message(ADMIN, resources, digest.hex())
    await export_archive(ADMIN, resources, ANNA, folder="INBOX", directory=tmp_path / "out")
    await verify_archive(ADMIN, resources)
    with pytest.raises(Conflict):
        await back_up(ADMIN, resources, Path("/nonexistent"), tmp_path / "out")
    await show_audit(ADMIN, resources, None, 1)

    rows = [entry for entry in await log_of(resources) if entry.id > before]
    assert [(row.action, row.subject, row.outcome) for row in rows] == [
        ("archive searched", ANNA, "done"),
        ("message shown", digest.hex(), "done"),
        ("archive exported", ANNA, "begun"),
        ("archive exported", ANNA, "done"),
        ("archive verified", "installation", "begun"),
        ("archive verified", "installation", "done"),
        ("backed up", "installation", "begun"),
        ("backed up", "installation", "failed"),
        ("audit read", "all", "done"),
    ]
    assert rows[0].details == {"query": "from:somebody secret"}
    assert rows[2].details == {"folder": "INBOX", "format": "eml", "directory": str(tmp_path / "out")}
    assert "about " not in str(rows)


async def test_runs_are_recorded_whoever_starts_them(world: MemoryWorld) -> None:
    """A run started by hand, one started by the schedule, and a cancelled one, with their numbers."""
    name = await world.submit()
    run_id = await start_run(EVE, world.resources, name)
    await cancel_run(EVE, world.resources, run_id)
    with pytest.raises(Conflict):
        await cancel_run(EVE, world.resources, run_id)
    async with world.resources.database.session() as session:
        await session.execute("UPDATE profiles SET due = now() WHERE name = $1", name)
    await start_due_runs(Principal.process(), world.resources)

    rows = [row for row in await log_of(world.resources) if row.action.startswith("run ")]
    assert [(row.action, row.subject, row.outcome) for row in rows] == [
        ("run started", name, "done"),
        ("run cancelled", name, "done"),
        ("run cancelled", str(run_id), "failed"),
        ("run started", name, "done"),
    ]
    assert rows[0].details == {"run": run_id, "any_time": False}
    assert rows[3].details is not None
    assert rows[3].details["scheduled"] is True
    assert [row.who for row in rows[:3]] == ["eve@host"] * 3


async def test_a_failed_query_is_recorded(harness: Harness) -> None:
    """What was searched for in vain, or in the wrong way, says as much as what was found."""
    with pytest.raises(BadQuery):
        await search_messages(ADMIN, harness.resources, Search("nofield:x"))

    (row,) = await log_of(harness.resources)
    assert (row.outcome, (row.details or {})["query"]) == ("failed", "nofield:x")


async def test_a_user_in_their_own_archive_is_recorded_only_when_refused(harness: Harness) -> None:
    """The log is about those who read foreign mail; but an attempt to do so is theirs, too."""
    await add_user(ADMIN, harness.resources, "anna", ["anna@example.com"])
    anna = Principal.archive_user("anna")
    await search_messages(anna, harness.resources, Search("words"))
    with pytest.raises(Forbidden):
        await save_search(anna, harness.resources, "ben", "his", "words")

    assert (await acts(harness.resources))[1:] == [("search saved", "ben", "refused")]


async def test_who_acts_comes_from_the_system_and_is_told_apart_from_claims(harness: Harness) -> None:
    """A row has the account of the process, the role in PostgreSQL, and the claim beside them."""
    with pytest.raises(NotFound):
        await start_run(EVE, harness.resources, "nothing")

    (row,) = await log_of(harness.resources)
    assert (row.who, row.claimed) == ("eve@host", "mallory")
    assert (row.os_uid, row.os_name) == (os.getuid(), pwd.getpwuid(os.getuid()).pw_name)
    assert (row.role, row.client) == ("muniment_runtime", None)


async def test_a_rollback_takes_no_record_along(harness: Harness) -> None:
    """The transaction that fails is undone with its row; the failure itself is recorded in another one."""

    @audited(Action.USER_ADDED, "name")
    async def half(principal: Principal, resources: Resources, name: str) -> None:
        async with resources.database.transaction() as session:
            await session.execute("INSERT INTO users (name) VALUES ($1)", name)
            await act(session, principal, Action.USER_ADDED, name)
            raise NotFound("the rest is missing")

    with pytest.raises(NotFound):
        await half(ADMIN, harness.resources, "anna")

    async with harness.database.session() as session:
        assert await session.value("SELECT count(*) FROM users") == 0
    assert await acts(harness.resources) == [("user added", "anna", "failed")]


async def test_what_cannot_be_recorded_is_not_handed_over(harness: Harness) -> None:
    """If the audit log takes no rows, reading fails: nobody reads unseen."""
    await add_user(ADMIN, harness.resources, "anna", ["anna@example.com"])
    async with harness.administrator() as session:
        await session.execute("REVOKE EXECUTE ON FUNCTION record_act FROM muniment_runtime")

    with pytest.raises(Exception, match="permission denied for function record_act"):
        await search_messages(ADMIN, harness.resources, Search("words"))


@pytest.mark.parametrize("name", ["nul\0byte", "lone \ud800 surrogate"], ids=["NUL", "surrogate"])
async def test_no_name_escapes_the_log(harness: Harness, name: str) -> None:
    """A name that PostgreSQL cannot hold is recorded in an escaped form."""
    with pytest.raises(Unstorable):
        await start_run(ADMIN, harness.resources, name)

    (row,) = await log_of(harness.resources)
    assert (row.action, row.outcome) == ("run started", "failed")
    assert row.subject in {"nul\\x00byte", "lone \\ud800 surrogate"}


async def test_every_search_in_foreign_mail_counts_though_nothing_is_found(harness: Harness) -> None:
    """Administrators without the setting are refused, and the words are recorded all the same."""
    closed = harness.with_settings(administrators_search=False)
    with pytest.raises(Forbidden):
        await search_messages(replace(ADMIN, name="root@host"), closed.resources, Search("salary"))

    (row,) = await log_of(harness.resources)
    assert (row.who, row.subject, row.outcome) == ("root@host", "all", "refused")
    assert (row.details or {})["query"] == "salary"
