"""Starting, stopping and scaling the real processes, as administrators do."""

from __future__ import annotations

import base64
import http.client
import json
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis

from muniment.embedded.valkey import EmbeddedValkey
from muniment.jobs import ARCHIVE_SLICE
from muniment.model.run import RunState
from muniment.resources import open_resources
from muniment.secrecy import create_key_file
from muniment.services.operating.show_status import show_status
from muniment.services.profiles.submit_profile import submit_profile
from muniment.services.resources import Resources
from muniment.services.runs.lifecycle import show_run
from muniment.settings import Settings
from tests.acceptance.conftest import MakeSource
from tests.support.broker import Broker
from tests.support.dovecot import MASTER, MASTER_PASSWORD
from tests.support.principal import ADMIN
from tests.support.processes import Running, frozen
from tests.support.proof import assert_exact, assert_searchable, assert_settled, begin, finish, moved
from tests.support.services import create_template, postgres_server, redis_url, valkey_server
from tests.support.source import Source
from tests.support.system import HASTY, System, celery, system
from tests.support.waiting import wait_until, wait_until_async

ARCHIVE_WORKER = ("-A", "workers", "worker", "-Q", "archive", "--pool=threads", "-c", "50")
# Celery requires different names for two workers on one machine.
INDEX_WORKER = ("-A", "workers", "worker", "-Q", "index", "--pool=prefork", "-c", "2", "-n", "index@%h")
SCHEDULER = ("-A", "scheduler", "beat")
FLOWER = ("-A", "workers", "flower")

#: A lease that outlasts every stop: no job is leased afterwards because each was handed back, not because it expired.
#: Not longer: Redis may hand a task to a connection that is closing, and then the job waits for this time.
PATIENT = {"MUNIMENT_LEASE_SECONDS": "100"}


class Operator:
    """Separately started PostgreSQL and Valkey, and processes that are started one by one."""

    def __init__(self, data: Path, database_url: str, valkey: EmbeddedValkey) -> None:
        self.environ = {
            **HASTY,
            **PATIENT,
            "MUNIMENT_DATA": str(data),
            "MUNIMENT_DATABASE_URL": database_url,
            "MUNIMENT_REDIS_URL": valkey.url.reveal(),
        }
        self.valkey = valkey
        self._stack = ExitStack()

    def start(self, *arguments: str, **environ: str) -> Running:
        """Start `celery ARGUMENTS…`."""
        return self._stack.enter_context(celery(*arguments, environ={**self.environ, **environ}))

    def start_worker(self, *arguments: str, **environ: str) -> Running:
        """Start a worker and wait until it accepts tasks."""
        worker = self.start(*arguments, **environ)
        worker.wait_for_line(" ready.")
        return worker

    @asynccontextmanager
    async def resources(self) -> AsyncIterator[Resources]:
        """Open the resources from this process."""
        async with open_resources(Settings.from_environment(self.environ), connections=4) as resources:
            yield resources

    def end(self) -> None:
        """Kill all processes."""
        self._stack.close()


@pytest.fixture
def operator(database_url: str, tmp_path: Path) -> Iterator[Operator]:
    """Return an operator's environment with a migrated database, an empty broker and no processes."""
    create_key_file(tmp_path / "secret.key")
    with valkey_server() as valkey:
        made = Operator(tmp_path, database_url, valkey)
        yield made
        made.end()


@pytest.fixture
def patient_up() -> Iterator[System]:
    """Return a system with long leases that is not running."""
    with system(**PATIENT) as made:
        yield made


async def test_up_stops_in_the_middle_of_a_run_and_goes_on(patient_up: System, make_source: MakeSource) -> None:
    """SIGTERM and SIGINT stop `up` without leaving processes or leased jobs; at the next start, the run continues."""
    up, source = patient_up, make_source(12, 200)
    up.start()
    async with up.resources() as resources:
        await submit_profile(ADMIN, resources, source.profile("everybody"))
        run_id = await begin(resources, "everybody")
    for number in (signal.SIGTERM, signal.SIGINT):
        async with up.resources() as resources:
            await moved(resources)
        assert up.up.stop(number) == 0

        up.up.assert_no_orphans()
        assert await jobs_at_rest(up) >= {"waiting"}
        up.start()
    async with up.resources() as resources:
        finished = await finish(resources, run_id)

        assert finished.messages.archived == source.messages
        await assert_settled(resources)
        await assert_searchable(resources, source)
        await assert_exact(resources, source)


async def run_under_way(resources: Resources, source: Source) -> int:
    """Start a run of all mailboxes and return its id once the first mail is archived."""
    await submit_profile(ADMIN, resources, source.profile("everybody"))
    run_id = await begin(resources, "everybody")
    await moved(resources)
    return run_id


async def jobs_at_rest(up: System) -> set[str]:
    """Return the states of the jobs while the system is down; none may be leased."""
    home = up.data
    with postgres_server(home, durable=True) as server:
        settings = Settings.from_environment(
            {**up.client, "MUNIMENT_DATABASE_URL": server.url.reveal(), "MUNIMENT_REDIS_URL": "redis://127.0.0.1:1"}
        )
        async with open_resources(settings) as resources, resources.database.session() as session:
            states = set(await session.values("SELECT DISTINCT state FROM jobs"))
    assert "running" not in states
    return states


async def test_up_with_two_archive_workers(make_source: MakeSource) -> None:
    """`up` is ready when all its archive workers are, and they share a run."""
    source = make_source(8, 60)
    with system(MUNIMENT_ARCHIVE_PROCESSES="2") as up:
        up.start()
        async with up.resources() as resources:
            kinds = Counter(
                process.kind for process in (await show_status(ADMIN, resources)).processes if process.alive
            )
            await submit_profile(ADMIN, resources, source.profile("everybody"))
            await finish(resources, await begin(resources, "everybody"))
            await assert_exact(resources, source)

    assert kinds == {"archive": 2, "index": 1, "scheduler": 1}


async def test_processes_started_one_by_one(operator: Operator, make_source: MakeSource, port: int) -> None:
    """With the operator's commands and two schedulers, a run completes; Flower shows it to users with the password.

    No job is sent twice, and no process logs a problem. Each has only the secrets that it needs.
    """
    source = make_source(12, 100)
    no_key = {"MUNIMENT_SECRET_KEY_FILE": "/nonexistent"}
    flower = operator.start(*FLOWER, MUNIMENT_FLOWER_PORT=str(port), MUNIMENT_DATABASE_URL="", **no_key)
    # Without batches of slices, each job is one task, and tasks can be counted.
    archive = operator.start_worker(*ARCHIVE_WORKER, MUNIMENT_TURN_SECONDS="0")
    index = operator.start_worker(*INDEX_WORKER, **no_key)
    schedulers = [operator.start(*SCHEDULER, **no_key), operator.start(*SCHEDULER, **no_key)]
    with Broker(operator.valkey) as broker:
        async with operator.resources() as resources:
            await wait_until_async(lambda: reported(resources), "all processes to report")
            await submit_profile(ADMIN, resources, source.profile("everybody"))
            finished = await finish(resources, await begin(resources, "everybody"))

            assert finished.messages.archived == source.messages
            await assert_settled(resources)
            await assert_searchable(resources, source)
            await assert_exact(resources, source)
            async with resources.database.session() as session:
                leases = await session.value("SELECT sum(fence) FROM jobs")
        sent = [event for event in broker.events("task-sent") if event["name"] == ARCHIVE_SLICE]
        assert len(sent) == leases
    # Archiving has priority, and the index catches up later.
    indexing = [psutil.Process(index.pid), *psutil.Process(index.pid).children()]
    assert {process.nice() for process in indexing} == {psutil.Process(archive.pid).nice() + 10}
    for process in (archive, index, *schedulers):
        assert not re.findall(r"Traceback|\[error|\[critical|fell silent|lease lost", process.stderr)
    await look_at_flower(operator, flower, port)


async def reported(resources: Resources) -> bool:
    kinds = [process.kind for process in (await show_status(ADMIN, resources)).processes if process.alive]
    return sorted(kinds) == ["archive", "index", "index", "scheduler", "scheduler"]


async def look_at_flower(operator: Operator, flower: Running, port: int) -> None:
    """Check that Flower shows both pools and each task with its name and ids, and nothing without the password."""
    password = (Path(operator.environ["MUNIMENT_DATA"]) / "flower.password").read_text().strip()

    def page(path: str, credentials: str | None = f"admin:{password}") -> tuple[int, str]:
        return get(port, path, credentials)

    def pools() -> set[str] | None:
        status, text = page("/api/workers?refresh=1")
        workers: dict[str, Any] = json.loads(text) if status == 200 else {}
        names = {queue["name"] for worker in workers.values() for queue in worker.get("active_queues", [])}
        return names if len(names) == 2 else None

    assert page("/api/workers", None)[0] == page("/tasks", "admin:wrong")[0] == 401
    assert wait_until(pools, "both pools in Flower") == {"archive", "index"}
    tasks = json.loads(page("/api/tasks?limit=1000")[1]).values()
    slices = [task for task in tasks if task["name"] == ARCHIVE_SLICE]
    assert slices
    assert all(re.fullmatch(r"run \d+, job \d+", task["args"]) for task in slices)
    assert {task["state"] for task in slices} == {"SUCCESS"}
    assert page("/workers")[0] == page("/tasks")[0] == 200
    assert "Traceback" not in flower.stderr


def get(port: int, path: str, credentials: str | None) -> tuple[int, str]:
    """Return status and text of a page of Flower's."""
    headers = {"Authorization": "Basic " + base64.b64encode(credentials.encode()).decode()} if credentials else {}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


async def test_worker_told_to_stop_hands_its_jobs_back(operator: Operator, make_source: MakeSource) -> None:
    """SIGTERM stops a worker within seconds in the middle of its slices, and another worker continues at once."""
    source = make_source(12, 200)
    operator.start(*SCHEDULER)
    operator.start_worker(*INDEX_WORKER)
    first = operator.start_worker(*ARCHIVE_WORKER)
    async with operator.resources() as resources:
        run_id = await run_under_way(resources, source)

        assert first.stop(signal.SIGTERM) == 0

        report = (await show_run(ADMIN, resources, run_id)).run
        assert (report.state, report.mailboxes.running, report.mailboxes.failed) == (RunState.RUNNING, 0, 0)
        assert report.mailboxes.queued > 0
        operator.start_worker(*ARCHIVE_WORKER)
        finished = await finish(resources, run_id)
        assert finished.messages.archived == source.messages
        await assert_exact(resources, source)
    assert "[error" not in first.stderr


async def test_worker_that_has_to_quit_is_gone_at_once(operator: Operator, make_source: MakeSource) -> None:
    """SIGQUIT stops a worker within seconds in the middle of its slices, and leaves no lease."""
    source = make_source(12, 200)
    operator.start(*SCHEDULER)
    first = operator.start_worker(*ARCHIVE_WORKER)
    async with operator.resources() as resources:
        run_id = await run_under_way(resources, source)

        assert first.stop(signal.SIGQUIT) != 0

        report = (await show_run(ADMIN, resources, run_id)).run
        assert (report.state, report.mailboxes.running, report.mailboxes.failed) == (RunState.RUNNING, 0, 0)
        operator.start_worker(*ARCHIVE_WORKER)
        finished = await finish(resources, run_id)
        assert finished.messages.archived == source.messages
        await assert_exact(resources, source)
    assert "reason=SIGQUIT" in first.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
@pytest.mark.parametrize("silent", ["postgres", "valkey"])
async def test_worker_ends_in_time_though_nobody_answers(
    operator: Operator, make_source: MakeSource, silent: str, number: signal.Signals
) -> None:
    """If PostgreSQL or Redis hangs, a worker told to stop exits nevertheless, and its leases expire."""
    operator.environ |= {"MUNIMENT_LEASE_SECONDS": "5", "MUNIMENT_STOP_SECONDS": "4"}
    source = make_source(12, 200)
    with postgres_server() as postgres:  # other tests need the shared one
        await create_template(postgres, "archive")
        operator.environ["MUNIMENT_DATABASE_URL"] = postgres.url_of("archive")
        operator.start(*SCHEDULER)
        first = operator.start_worker(*ARCHIVE_WORKER)
        async with operator.resources() as resources:
            run_id = await run_under_way(resources, source)
        with frozen(postgres._folder if silent == "postgres" else operator.valkey._folder):
            first.stop(number)
        first.assert_no_orphans()
        operator.start_worker(*ARCHIVE_WORKER)
        async with operator.resources() as resources:
            finished = await finish(resources, run_id)
            assert finished.messages.archived == source.messages
            await assert_exact(resources, source)
        operator.end()


async def test_rolling_restart_fails_no_job(operator: Operator, make_source: MakeSource) -> None:
    """If all processes are replaced one after another during a run, it succeeds, and nothing is done twice."""
    operator.environ["MUNIMENT_SERVER_COMMANDS_PER_SECOND"] = "60"  # the run must outlast the restarts
    source = make_source(12, 200)
    both = [ARCHIVE_WORKER, (*ARCHIVE_WORKER, "-n", "second@%h")]
    workers = [operator.start_worker(*arguments) for arguments in both]
    index, scheduler = operator.start_worker(*INDEX_WORKER), operator.start(*SCHEDULER)
    async with operator.resources() as resources:
        await submit_profile(ADMIN, resources, source.profile("everybody"))
        run_id = await begin(resources, "everybody")
        for worker, arguments in zip(workers, both, strict=True):
            await moved(resources)
            assert worker.stop(signal.SIGTERM) == 0
            operator.start_worker(*arguments)
        assert index.stop(signal.SIGTERM) == 0
        assert scheduler.stop(signal.SIGTERM) == 0
        operator.start_worker(*INDEX_WORKER)
        operator.start(*SCHEDULER)
        finished = await finish(resources, run_id)

        assert (finished.state, finished.mailboxes.failed) == (RunState.SUCCEEDED, 0)
        assert (finished.messages.archived, finished.messages.known) == (source.messages, 0)
        async with resources.database.session() as session:
            assert await session.value("SELECT count(*) FROM jobs WHERE attempt > 0 OR losses > 0") == 0
        await assert_settled(resources)
        await assert_exact(resources, source)


async def test_a_worker_whose_broker_cut_its_connections_hears_again(
    operator: Operator, make_source: MakeSource
) -> None:
    """After a lost connection to Redis, as in a fail-over or behind a firewall, a worker receives tasks again."""
    source = make_source(4, 10)
    worker = operator.start_worker(*ARCHIVE_WORKER)
    operator.start_worker(*INDEX_WORKER)
    operator.start(*SCHEDULER)
    async with operator.resources() as resources:
        await submit_profile(ADMIN, resources, source.profile("everybody"))
        with redis.Redis.from_url(redis_url(operator.valkey)) as client:
            for kind in ("pubsub", "normal"):
                client.execute_command("CLIENT", "KILL", "TYPE", kind)
        worker.wait_for_line("Connection to broker lost")

        await finish(resources, await begin(resources, "everybody"))
        await assert_settled(resources)
        await assert_exact(resources, source)


def test_archive_worker_without_the_key_does_not_start(operator: Operator) -> None:
    """A process that could do no work reports what is missing and exits before it takes tasks from others."""
    process = operator.start(*ARCHIVE_WORKER, MUNIMENT_SECRET_KEY_FILE="/nonexistent/key")

    assert process.wait() != 0
    assert "error: cannot read the secret key file /nonexistent/key" in process.stderr
    assert "hint: " in process.stderr
    assert " ready." not in process.stdout + process.stderr


async def test_broker_holds_ids_only_and_may_be_emptied(operator: Operator, make_source: MakeSource) -> None:
    """During a run, Redis contains a few ids but no mail, names or passwords; emptied repeatedly, the run completes."""
    operator.environ |= {"MUNIMENT_LEASE_SECONDS": "5", "MUNIMENT_SLICE_SECONDS": "0.5"}
    source = make_source(12, 200)
    secrets = [MASTER, MASTER_PASSWORD, *source.addresses, *source.needles]
    operator.start(*SCHEDULER)
    operator.start_worker(*INDEX_WORKER)
    operator.start_worker(*ARCHIVE_WORKER)
    seen, sizes = "", []
    with Broker(operator.valkey) as broker:
        async with operator.resources() as resources:
            await submit_profile(ADMIN, resources, source.profile("everybody", max_jobs=4))
            run_id = await begin(resources, "everybody")
            for _ in range(4):
                await moved(resources)
                seen += broker.contents()
                sizes.append(broker.size())
                broker.client.flushall()
            finished = await finish(resources, run_id)
            seen += broker.contents()

            assert finished.messages.archived == source.messages
            await assert_settled(resources)
            await assert_exact(resources, source)
        heard = [_body(text) for text in broker.heard]
    assert ARCHIVE_SLICE in seen
    assert any(ARCHIVE_SLICE in text for text in heard)
    assert [secret for secret in secrets if secret in seen or any(secret in text for text in heard)] == []
    assert max(sizes) < 200_000


def _body(text: str) -> str:
    """Return an event as text."""
    return base64.b64decode(json.loads(text)["body"]).decode() if text.startswith("{") else text
