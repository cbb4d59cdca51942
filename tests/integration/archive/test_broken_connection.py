"""Broken connections: what was already fetched is kept, and one bad message or folder does not block the others."""

from __future__ import annotations

from muniment.db import jobs
from muniment.db.jobs import Setback
from muniment.model.run import JobState, RunState
from muniment.process import process_name
from muniment.services.operating.show_status import list_quarantine
from muniment.services.runs.lifecycle import start_run
from tests.support.harness import Harness
from tests.support.imap_script import Fault, Folder
from tests.support.imap_server import ImapServer
from tests.support.principal import ADMIN
from tests.support.scripted import TARGET, archive, mails, neighbourhood, proven, source


async def test_message_that_breaks_the_connection_is_given_up(harness: Harness) -> None:
    """A message that always makes the server drop the connection is quarantined; the rest is archived."""
    script = neighbourhood({b"INBOX": Folder(mails("a", 9)), b"Later": Folder(mails("b", 2), uidvalidity=7)}, ())
    script.faults = [Fault("UID FETCH", containing="UID FETCH 5 (UID FLAGS", close=True)]
    patient = harness.with_settings(batch_messages=1, job_attempts=3)
    async with ImapServer(script) as server:
        report = await archive(patient, server)
        [row] = await list_quarantine(ADMIN, harness.resources, 10)

    assert report.run.state == RunState.INCOMPLETE
    assert (report.run.messages.archived, report.run.messages.quarantined) == (10, 1)
    assert (row.uid, "the connection broke at each of 3 tries" in row.reason) == (5, True)
    assert source(script.mailboxes[TARGET]) != await harness.exported(TARGET)
    assert not await proven(harness)


async def test_batch_before_the_break_is_kept(harness: Harness) -> None:
    """If the connection breaks during a fetch, the last complete batch is still archived."""
    script = neighbourhood({b"INBOX": Folder(mails("a", 6))}, ())
    script.faults = [Fault("UID FETCH", containing="UID FETCH 4:6 (UID FLAGS", close=True)]
    hasty = harness.with_settings(batch_messages=3, job_attempts=1)
    async with ImapServer(script) as server:
        report = await archive(hasty, server)

    assert report.run.messages.archived == 3


async def test_failures_weigh_what_they_say(harness: Harness, port: int) -> None:
    """Failures add up by their weights, whatever happens in between; a weight of 0 never fails a job."""
    await harness.submit("one", "127.0.0.1", port, mailboxes=["ann@example.com"])
    await start_run(ADMIN, harness.resources, "one")
    ((_, (_, job_id)),) = harness.queue.tasks
    ends = []
    async with harness.database.session() as session:
        for weight in (1, 10, 0, 1, 8):
            await session.execute("UPDATE jobs SET state = 'sent'")
            job = await jobs.lease(session, job_id, process_name(), 60)
            assert job is not None
            ends.append(await jobs.postpone(session, job.lease, Setback("broke", "", 0.0, weight, 20)))

    assert ends == [*[JobState.WAITING] * 4, JobState.FAILED]


async def test_throttling_makes_no_message_a_bad_one(harness: Harness) -> None:
    """Repeated throttling followed by one dropped connection quarantines no message."""
    script = neighbourhood({b"INBOX": Folder(mails("a", 9))}, ())
    script.faults = [
        Fault("UID FETCH", containing="(UID FLAGS", reply="NO [LIMIT] slow down", times=12),
        Fault("UID FETCH", containing="(UID FLAGS", close=True, times=1),
    ]
    patient = harness.with_settings(batch_messages=3, job_attempts=3)
    async with ImapServer(script) as server:
        report = await archive(patient, server)

    assert (report.run.state, report.run.messages.quarantined) == (RunState.SUCCEEDED, 0)
    assert source(script.mailboxes[TARGET]) == await harness.exported(TARGET)


async def test_folder_that_breaks_the_connection_stops_no_other(harness: Harness) -> None:
    """A folder that always breaks the connection fails its mailbox and is named; the others are archived."""
    script = neighbourhood(
        {
            name: Folder(mails(name.decode(), 3), uidvalidity=n)
            for n, name in enumerate((b"INBOX", b"Bad", b"Later"), 1)
        },
        (),
    )
    script.faults = [Fault("EXAMINE", containing="Bad", close=True)]
    hasty = harness.with_settings(job_attempts=3)
    async with ImapServer(script) as server:
        report = await archive(hasty, server)

    assert report.run.state == RunState.FAILED
    assert report.failures[0].error.startswith("1 of 3 folders cannot be read: Bad: ")
    exported = await harness.exported(TARGET)
    del script.mailboxes[TARGET][b"Bad"]
    assert source(script.mailboxes[TARGET]) == exported


async def test_bytes_in_quarantine_outlive_the_server(harness: Harness) -> None:
    """Raw bytes in quarantine stay after the message has left the server, because they are the only copy."""
    script = neighbourhood({b"INBOX": Folder(mails("a", 3))}, ())
    async with ImapServer(script) as server:
        await archive(harness, server)
        async with harness.database.session() as session:
            # as after a batch that PostgreSQL refused
            await session.execute(
                "INSERT INTO quarantine (folder_id, uidvalidity, uid, reason, last_tried)"
                " SELECT id, uidvalidity, uid, 'refused', '2020-01-01' FROM folders, generate_series(90, 91) AS uid"
            )
            await session.execute(
                "INSERT INTO quarantine_parts SELECT id, 0, 0, 'raw' FROM quarantine WHERE uid = 90",
            )
        script.mailboxes[TARGET][b"INBOX"].messages = [*mails("a", 3), *mails("b", 1, first=4)]
        await harness.archive("all")
        rows = await list_quarantine(ADMIN, harness.resources, 10)

    assert [row.uid for row in rows] == [90]
