"""A proof means that UIDs were compared: whatever STATUS says, every folder is opened again in time."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from muniment.mailserver.memory_mailbox import MemoryFolder
from muniment.model.run import RunState
from muniment.services.doctor.what_if import what_if
from muniment.services.operating.show_status import show_status
from tests.support.memory_mail import ANNA, ARCHIVER, MemoryWorld, contents, folder, mailbox, message
from tests.support.principal import ADMIN

_PROVEN = "SELECT proven FROM folders WHERE path = ARRAY[$1]"


def _inbox(world: MemoryWorld) -> MemoryFolder:
    return world.mail.mailboxes[ANNA]["INBOX"]


async def _commands(world: MemoryWorld, profile: str) -> list[str]:
    """Run a profile and return the commands that it sent."""
    asked: list[str] = []

    async def note(command: str) -> None:
        asked.append(command)

    world.mail.before_command = note
    await world.harness.archive(profile)
    world.mail.before_command = None
    return asked


async def test_mail_behind_a_frozen_status_is_archived_in_time(world: MemoryWorld) -> None:
    """A message that STATUS does not tell of is found when its folder is due, and its folder is not trusted again."""
    profile = await world.submit()
    await world.harness.archive(profile)
    _inbox(world).frozen = _inbox(world).status
    _inbox(world).deliver(message("behind"))
    early = await world.harness.archive(profile)
    [forecast] = [one async for one in what_if(ADMIN, world.resources, profile)]
    await world.harness.let_pass(24)
    [due] = [one async for one in what_if(ADMIN, world.resources, profile)]
    late = await world.harness.archive(profile)
    _inbox(world).deliver(message("behind, again"))
    again = await world.harness.archive(profile)

    assert [run.run.messages.archived for run in (early, late, again)] == [0, 1, 1]
    assert [forecast.messages, due.messages] == [0, 1]
    assert await world.exported() == contents(world.mail.mailboxes[ANNA])


async def test_an_unchanged_status_renews_no_proof(world: MemoryWorld) -> None:
    """The proof keeps the time of its comparison; the run is noted beside it, for folder and mailbox."""
    profile = await world.submit()
    await world.harness.archive(profile)
    compared = await world.value(_PROVEN, "INBOX")
    _inbox(world).deliver(message("second"))
    await world.harness.archive(profile)
    await world.harness.archive(profile)

    async def of(what: str) -> datetime:
        value: datetime = await world.value(what)
        return value

    work = "(SELECT {} FROM folders WHERE path[1] = 'Work')"
    assert compared < await world.value(_PROVEN, "INBOX")
    assert await of(work.format("unmoved")) > await world.value(_PROVEN, "INBOX")
    assert await of("SELECT proven FROM mailboxes") == await of(work.format("proven")), "the oldest comparison counts"
    assert await of("SELECT visited FROM mailboxes") == await of(work.format("unmoved"))


async def test_a_comparison_renews_the_proof(world: MemoryWorld) -> None:
    """When it is due, each folder is opened once, and not again in the next run."""
    profile = await world.submit()
    await world.harness.archive(profile)
    await world.harness.let_pass(24)

    first, second = await _commands(world, profile), await _commands(world, profile)

    assert (first.count("SEARCH"), second.count("SEARCH")) == (2, 0)
    assert await world.value("SELECT min(proven) > now() - interval '1 hour' FROM folders")
    assert await world.value("SELECT count(*) FROM folders WHERE unmoved > proven") == 2


async def test_a_due_folder_is_compared_once_in_a_run_of_many_slices(world: MemoryWorld) -> None:
    """A slice that ends early goes on with the other folders."""
    world.mail.mailboxes[ANNA] |= {f"folder {n}": folder(f"f{n}", 2) for n in range(6)}
    world = world.with_settings(slice_seconds=0.000001)
    profile = await world.submit()
    await world.harness.archive(profile)
    await world.harness.let_pass(24)

    assert (await _commands(world, profile)).count("SEARCH") == 8
    assert await world.is_proven()


async def test_numbers_that_are_due_do_not_identify_the_mailbox(world: MemoryWorld) -> None:
    """A large mailbox is recognised by its numbers between comparisons; with them, its oldest messages are read."""
    world.mail.mailboxes = {ANNA: mailbox("anna", 60), ARCHIVER: mailbox("archiver")}
    profile = await world.submit()
    await world.harness.archive(profile)

    between = await _commands(world, profile)
    await world.harness.let_pass(24)
    due = await _commands(world, profile)

    assert "FETCH HEADER.FIELDS" not in between
    assert "FETCH HEADER.FIELDS" in due


@pytest.mark.parametrize("modseq", [None, 1], ids=["without CONDSTORE", "CONDSTORE"])
async def test_messages_that_search_leaves_out(world: MemoryWorld, modseq: int | None) -> None:
    """A SEARCH that lists as many messages as the folder counts, but not all: the flags tell of the one left out."""
    inbox = _inbox(world)
    inbox.highestmodseq = modseq
    profile = await world.submit()
    await world.harness.archive(profile)
    inbox.indexed = frozenset(inbox.messages)
    inbox.deliver(message("not in the index"))
    del inbox.messages[1]
    await world.harness.let_pass(24)
    report = await world.harness.archive(profile)

    assert report.run.messages.archived == 1
    assert await world.value("SELECT missing FROM folders WHERE path = '{INBOX}'") == 0
    exported = await world.exported()
    assert contents(world.mail.mailboxes[ANNA])["INBOX",] <= exported["INBOX",]


@pytest.mark.parametrize(
    ("passed", "settings", "stale"),
    [
        (47, {}, 0),
        (49, {}, 1),
        (25, {"stale_hours": 2.0}, 1),
        (49, {"compare_hours": 72.0}, 1),
        (49, {"compare_messages": 2}, 1),
    ],
)
async def test_no_run_makes_a_mailbox_stale(
    world: MemoryWorld, passed: float, settings: dict[str, Any], stale: int
) -> None:
    """Without a run, a mailbox is stale after MUNIMENT_STALE_HOURS, however long its folders may wait."""
    await world.archive()
    await world.harness.let_pass(passed)

    assert (await show_status(ADMIN, world.with_settings(**settings).resources)).stale_count == stale


@pytest.mark.parametrize(
    ("age", "settings", "stale"),
    [
        (47, {}, 0),
        (49, {}, 1),
        (47, {"stale_hours": 2.0}, 0),
        (49, {"stale_hours": 2.0}, 1),
        (143, {"compare_hours": 72.0}, 0),
        (145, {"compare_hours": 72.0}, 1),
        (95, {"compare_messages": 2}, 0),
        (97, {"compare_messages": 2}, 1),
    ],
)
async def test_unchanged_numbers_do_not_keep_a_mailbox_fresh(
    world: MemoryWorld, age: float, settings: dict[str, Any], stale: int
) -> None:
    """With runs that see the same STATUS, a mailbox is stale when a comparison is overdue by a day.

    Folders of six messages wait three times as long if only two count as small.
    """
    world = world.with_settings(**settings)
    await world.archive()
    await world.value("UPDATE mailboxes SET proven = proven - make_interval(secs => $1 * 3600) RETURNING 1", float(age))
    found = await show_status(ADMIN, world.resources)

    assert found.stale_count == stale
    assert [mailbox.address for mailbox in found.stale] == [ANNA] * stale


async def test_a_folder_that_does_not_open_keeps_the_old_proof(world: MemoryWorld) -> None:
    """A due folder that the server refuses makes the job fail; nothing is renewed."""
    profile = await world.submit()
    await world.harness.archive(profile)
    await world.harness.let_pass(24)
    before = await world.value("SELECT proven FROM mailboxes")
    _inbox(world).refusal = "NO not now"
    report = await world.harness.archive(profile)

    assert report.run.state == RunState.FAILED
    assert await world.value("SELECT proven FROM mailboxes") == before
