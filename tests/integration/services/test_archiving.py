"""Archiving a mailbox: every message once, byte for byte, whatever breaks on the way."""

from __future__ import annotations

import pytest

from muniment.mailserver.memory_mailbox import MemoryFolder, MemoryMail
from muniment.model.mail_filter import MailFilter, ReadState
from muniment.model.run import RunState
from muniment.services.archiving.run_slice import SliceEnd
from muniment.services.runs.lifecycle import RunReport, cancel_run
from tests.support.memory_mail import ANNA, ARCHIVER, BEN, MemoryWorld, contents, folder, mailbox, message, warnings
from tests.support.principal import ADMIN

_ENTRIES = "SELECT count(*) FROM entries"

#: UIDs below a folder's cursor that are neither archived nor in quarantine.
_SKIPPED = """
SELECT count(*) FROM folders CROSS JOIN LATERAL generate_series(1, last_uid) AS passed (uid)
WHERE NOT EXISTS (SELECT FROM entries WHERE folder_id = folders.id AND entries.uid = passed.uid)
  AND NOT EXISTS (SELECT FROM quarantine WHERE folder_id = folders.id AND quarantine.uid = passed.uid)
"""


def _inbox(world: MemoryWorld) -> MemoryFolder:
    return world.mail.mailboxes[ANNA]["INBOX"]


async def test_every_message_comes_byte_for_byte(world: MemoryWorld) -> None:
    """A run ends well, the mailbox is proven complete, and its connection is closed."""
    report = await world.archive()

    assert report.run.state == RunState.SUCCEEDED
    assert report.run.messages.archived == 12
    assert await world.exported() == contents(world.mail.mailboxes[ANNA])
    assert await world.is_proven()
    assert world.mail.sessions == 0


async def test_flags_and_dates_are_kept(world: MemoryWorld) -> None:
    """The archive holds what the server said of each message."""
    _inbox(world).deliver(MemoryMail(message("seen"), flags=("\\Seen", "$Label")))
    await world.archive()

    kept = "SELECT {} FROM entries WHERE uid = 7"
    assert await world.value(kept.format("flags")) == ["\\Seen", "$Label"]
    assert (await world.value(kept.format("internal_date"))) == _inbox(world).messages[7].received


async def test_a_second_run_fetches_only_what_is_new(world: MemoryWorld) -> None:
    """What is archived is not fetched again."""
    await world.archive()
    world.mail.delivered.clear()
    _inbox(world).deliver(message("late"))
    report = await world.archive()

    assert world.mail.delivered == [("INBOX", 7)]
    assert report.run.messages.archived == 1
    assert await world.exported() == contents(world.mail.mailboxes[ANNA])


async def test_a_folder_that_did_not_change_is_not_opened(world: MemoryWorld) -> None:
    """Its STATUS is what it was at the proof; only INBOX of a small mailbox is opened, to recognise the mailbox."""
    await world.archive()
    asked: list[str] = []

    async def note(command: str) -> None:
        asked.append(command)

    world.mail.before_command = note
    await world.archive()

    assert asked == ["LIST", "EXAMINE", "FETCH HEADER.FIELDS"]
    assert await world.is_proven()


@pytest.mark.parametrize("delivered", [0, 2, 3, 5, 6, 11])
async def test_a_lost_connection_costs_nothing(world: MemoryWorld, delivered: int) -> None:
    """Wherever the connection is lost, the next slice goes on behind what came: nothing is missing or there twice."""
    world.mail.drop_after = delivered
    report = await world.archive()

    assert world.mail.logins.count(ANNA) == 2, "the connection was lost once"
    assert report.run.state == RunState.SUCCEEDED
    assert sorted(world.mail.delivered) == [(name, uid) for name in ("INBOX", "Work/2024") for uid in range(1, 7)]
    assert report.run.messages.archived == 12
    assert await world.exported() == contents(world.mail.mailboxes[ANNA])


async def test_the_cursor_moves_with_the_messages_below_it(world: MemoryWorld) -> None:
    """At no moment of a run does the database hold a cursor above a message that it does not hold."""
    skipped: list[int] = []

    async def look(*_: object) -> None:
        skipped.append(await world.value(_SKIPPED))

    world.mail.before_fetch = look
    await world.archive()

    assert len(skipped) == 12
    assert set(skipped) == {0}
    assert await world.value("SELECT min(last_uid) FROM folders") == 6


async def test_who_lost_the_lease_stores_nothing(world: MemoryWorld) -> None:
    """Once another worker leased the job, a slice commits neither messages, nor a cursor, nor a proof."""
    world.once_before(1, world.steal_leases)
    await world.start()
    ends = await world.harness.work()

    assert ends == [SliceEnd.LEASE_LOST]
    assert await world.value(_ENTRIES) == 0
    assert await world.value("SELECT max(last_uid) FROM folders") == 0
    assert not await world.is_proven()
    assert world.mail.sessions == 0


async def test_cancelling_keeps_what_was_committed(world: MemoryWorld) -> None:
    """A cancelled run ends at its next commit, and a later one brings the rest."""
    run_id = await world.start()
    world.once_before(4, lambda: cancel_run(ADMIN, world.resources, run_id))
    report = await world.harness.finish(run_id)
    stored = await world.value(_ENTRIES)

    assert report.run.state == RunState.CANCELLED
    assert 0 < stored < 12
    assert not await world.is_proven()
    await world.archive()
    assert await world.exported() == contents(world.mail.mailboxes[ANNA])
    assert await world.value(_ENTRIES) == 12


async def test_a_new_uidvalidity_neither_duplicates_nor_skips(world: MemoryWorld) -> None:
    """Messages under new UIDs are recognised by content; one that is new among them is archived."""
    await world.archive()
    del _inbox(world).messages[2]
    _inbox(world).deliver(message("new"))
    _inbox(world).renumber(99)
    report = await world.archive()

    assert (report.run.messages.archived, report.run.messages.known) == (1, 5)
    assert await world.value(_ENTRIES) == 13  # that of the deleted message stays
    assert await world.is_proven()
    exported = await world.exported()
    assert contents(world.mail.mailboxes[ANNA])["INBOX",] <= exported["INBOX",]


async def test_a_uidvalidity_that_changes_within_a_run(world: MemoryWorld) -> None:
    """A slice that finds another numbering than the one before starts the folder anew."""

    async def renumber() -> None:
        del _inbox(world).messages[1]
        _inbox(world).renumber(99)
        world.mail.drop_after = 0

    world.once_before(5, renumber)
    await world.archive()

    numbered = "SELECT array_agg(uid ORDER BY uid) FROM entries WHERE uidvalidity = 99"
    assert await world.value(numbered) == [1, 2, 3, 4, 5]
    assert await world.value(_ENTRIES) == 12  # that of the deleted message came before, and stays
    assert await world.is_proven()


@pytest.mark.parametrize("fault", ["refusal", "is_withheld", "breaks"])
async def test_one_bad_message_stops_nobody(world: MemoryWorld, fault: str) -> None:
    """It stands in quarantine, all others are archived, and the run says that the mailbox is not complete."""
    bad = _inbox(world).messages[3]
    setattr(bad, fault, "NO [SERVERBUG]" if fault == "refusal" else True)
    report = await world.archive()

    assert await world.exported() == contents(world.mail.mailboxes[ANNA], without={3})
    assert await world.value("SELECT uid FROM quarantine") == 3
    assert report.run.messages.quarantined == 1
    assert "1 of 2 folders lack messages (INBOX)" in warnings(report)
    assert not await world.is_proven()

    setattr(bad, fault, type(getattr(bad, fault))())
    report = await world.archive()
    assert await world.exported() == contents(world.mail.mailboxes[ANNA])
    assert await world.value("SELECT count(*) FROM quarantine") == 0
    assert await world.is_proven()


async def test_a_message_that_is_counted_and_not_listed(world: MemoryWorld) -> None:
    """The proof compares with what the server counts: a folder that hides a message is not complete."""
    _inbox(world).messages[3].is_hidden = True
    report = await world.archive()

    assert "INBOX" in warnings(report)
    assert not await world.is_proven()


@pytest.mark.parametrize("claimed", [0, 1, 100_000_000])
async def test_sizes_that_are_not_true(world: MemoryWorld, claimed: int) -> None:
    """A wrong RFC822.SIZE changes neither what is archived nor the byte budget when all is over."""
    for mail in _inbox(world).messages.values():
        mail.claimed_size = claimed
    report = await world.archive()

    assert report.run.state == RunState.SUCCEEDED
    assert await world.exported() == contents(world.mail.mailboxes[ANNA])
    assert world.resources.budget.used == 0


async def test_a_message_that_is_too_large(world: MemoryWorld) -> None:
    """What exceeds the limit stands in quarantine, with its size."""
    _inbox(world).deliver(message("large", b"x" * 5000))
    await world.with_settings(max_message_bytes=4000).archive()

    assert await world.exported() == contents(world.mail.mailboxes[ANNA], without={7})
    assert "more than the 4000 allowed" in await world.value("SELECT reason FROM quarantine")


async def test_a_message_that_postgresql_cannot_hold(world: MemoryWorld) -> None:
    """What the database refuses is stored without what it cannot hold: here a flag with NUL."""
    _inbox(world).deliver(MemoryMail(message("odd"), flags=("bad\0flag",)))
    report = await world.archive()

    assert report.run.state == RunState.SUCCEEDED
    assert await world.exported() == contents(world.mail.mailboxes[ANNA])


@pytest.mark.parametrize(
    ("rule", "archived"),
    [
        (MailFilter(subject=("inbox-2", "work-5")), 2),
        (MailFilter(larger_than=400), 1),
        (MailFilter(read=ReadState.READ), 1),
        (MailFilter(newer_than="1 day"), 0),
    ],
)
async def test_a_filter_leaves_messages_out(world: MemoryWorld, rule: MailFilter, archived: int) -> None:
    """Only what passes is fetched; the others are counted, and do not make the mailbox incomplete."""
    _inbox(world).messages[4] = MemoryMail(message("big", b"x" * 1000), flags=("\\Seen",))
    report = await world.archive(filter=rule)

    assert len(world.mail.delivered) == report.run.messages.archived == archived
    assert report.run.messages.filtered == 12 - archived
    assert not warnings(report)


async def test_a_filter_that_is_lifted(world: MemoryWorld) -> None:
    """What a filter left out is archived by a profile without one."""
    await world.archive(filter=MailFilter(subject=("inbox-2",)))
    await world.archive()

    assert await world.exported() == contents(world.mail.mailboxes[ANNA])


async def test_the_wrong_mailbox_is_not_archived(world: MemoryWorld) -> None:
    """A server that opens the privileged user's own mailbox under another name is noticed before anything is stored."""
    world.mail.mailboxes[ARCHIVER] = mailbox("own")
    world.mail.opens_instead[ANNA] = ARCHIVER
    report = await world.archive()

    assert report.run.state == RunState.FAILED
    assert "privileged user's own mailbox" in report.failures[0].error
    assert await world.value(_ENTRIES) == 0


async def test_two_names_of_one_mailbox(world: MemoryWorld) -> None:
    """The second name that opens a mailbox fails, unless the profile allows that."""
    world.mail.mailboxes[BEN] = mailbox("ben")
    world.mail.opens_instead[BEN] = ANNA
    report = await world.archive(max_jobs=1)
    allowed = await world.archive(allow_same_mailbox=True)

    assert [failure.mailbox for failure in report.failures] == [BEN]
    assert f"the same mailbox for {BEN} and {ANNA}" in report.failures[0].error
    assert not allowed.failures


async def test_an_empty_mailbox_is_doubtful(world: MemoryWorld) -> None:
    """Some servers create a mailbox for a mistyped address: the run warns, and nothing counts as proven."""
    world.mail.mailboxes[ANNA] = {"INBOX": MemoryFolder()}
    report = await world.archive()

    assert "the mailbox is empty" in warnings(report)
    assert not await world.is_proven()


async def test_a_folder_that_cannot_be_opened(world: MemoryWorld) -> None:
    """It makes the run fail, with what to do; the other folders are archived."""
    world.mail.mailboxes[ANNA]["Work/2024"].refusal = "NO [NOPERM] not yours"
    report = await world.archive()

    assert report.run.state == RunState.FAILED
    assert "1 of 2 folders cannot be read: Work/2024" in report.failures[0].error
    assert report.failures[0].hint
    assert await world.exported() == {("INBOX",): contents(world.mail.mailboxes[ANNA])["INBOX",]}


async def test_a_folder_that_vanishes_during_the_run(world: MemoryWorld) -> None:
    """What was listed and is gone when it is opened fails this run; the next one does not miss it."""
    folders = world.mail.mailboxes[ANNA]

    async def remove() -> None:
        del folders["Work/2024"]

    world.once_before(1, remove)
    during = await world.archive()
    after = await world.archive()

    assert "NONEXISTENT" in during.failures[0].error
    assert after.run.state == RunState.SUCCEEDED
    assert await world.exported() == contents(folders)


async def test_a_folder_that_was_removed_stays_in_the_archive(world: MemoryWorld) -> None:
    """The archive keeps what the server deletes."""
    before = contents(world.mail.mailboxes[ANNA])
    await world.archive()
    del world.mail.mailboxes[ANNA]["Work/2024"]
    del _inbox(world).messages[1]
    report = await world.archive()

    assert report.run.state == RunState.SUCCEEDED
    assert await world.exported() == before


async def test_a_server_without_list_status(world: MemoryWorld) -> None:
    """Each run opens every folder then, and still fetches nothing twice."""
    world.mail.tells_status = False
    await world.archive()
    world.mail.delivered.clear()
    _inbox(world).deliver(message("late"))
    await world.archive()

    assert world.mail.delivered == [("INBOX", 7)]


async def test_a_small_slice_ends_between_batches(world: MemoryWorld) -> None:
    """A mailbox that takes several slices is archived completely, each slice going on where the one before ended."""
    small = world.with_settings(slice_bytes=1)
    run_id = await small.start()
    ends = await small.harness.work()
    cursor = await world.value("SELECT max(last_uid) FROM folders")
    report: RunReport = await small.harness.finish(run_id)

    assert ends == [SliceEnd.MORE]
    assert cursor == 3
    assert len(world.mail.delivered) == 12
    assert report.run.state == RunState.SUCCEEDED
    assert await world.exported() == contents(world.mail.mailboxes[ANNA])


async def test_a_server_that_is_away(world: MemoryWorld) -> None:
    """After the last attempt the mailbox fails, and says why; the next run brings it."""
    world.mail.is_away = True
    report = await world.archive(no_master_mailbox=True)
    world.mail.is_away = False
    again = await world.archive()

    assert report.run.state == RunState.FAILED
    assert "does not answer" in report.failures[0].error
    assert again.run.state == RunState.SUCCEEDED


async def test_many_folders_share_transactions(world: MemoryWorld) -> None:
    """Small folders are committed together; each is proven by itself."""
    world.mail.mailboxes[ANNA] = {f"Folder {n}": folder(f"f{n}", 1, uidvalidity=n) for n in range(1, 8)}
    world.mail.mailboxes[ANNA]["Folder 3"].messages[1].refusal = "NO"
    report = await world.archive()

    assert "1 of 7 folders lack messages (Folder 3)" in warnings(report)
    assert await world.value("SELECT count(*) FROM folders WHERE proven IS NOT NULL AND missing = 0") == 6
