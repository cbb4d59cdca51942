"""Every queue has a consumer in every way of starting Muniment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from muniment import jobs
from muniment.cli import processes
from muniment.embedded.up import celery_programs
from muniment.settings import Settings
from tests.support import compose
from tests.support.commands import parse_celery

POOLS = {jobs.Queue.ARCHIVE: "threads", jobs.Queue.INDEX: "prefork"}


def consumers(commands: Iterable[Sequence[str]], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the pool that consumes each queue, according to Celery's parser."""
    found: dict[str, str] = {}
    for command in commands:
        name, params = parse_celery(command, monkeypatch)
        if name == "worker":
            pool = params["pool"] if isinstance(params["pool"], str) else params["pool"].__module__.rpartition(".")[2]
            found |= dict.fromkeys(params["queues"], {"thread": "threads"}.get(pool, pool))
    return found


def test_every_task_has_a_queue() -> None:
    """Each task name of the contract is routed to an existing queue."""
    names = {value for key, value in vars(jobs).items() if key.isupper() and isinstance(value, str)}

    assert set(jobs.ROUTES) == names
    assert set(jobs.ROUTES.values()) == set(jobs.Queue)


def test_every_queue_has_a_consumer_in_compose(monkeypatch: pytest.MonkeyPatch) -> None:
    """docker-compose.yml starts a worker with the right pool for each queue, and no others."""
    commands = [line for s in compose.muniment_services().values() if (line := compose.argv(s))[0] == "celery"]

    assert consumers(commands, monkeypatch) == POOLS


def test_every_queue_has_a_consumer_in_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`muniment up` starts a worker with the right pool for each queue, and no others."""
    programs = celery_programs(Settings(), tmp_path)
    commands = [["celery", *program.argv[program.argv.index("-A") :]] for program in programs]

    assert consumers(commands, monkeypatch) == POOLS


def test_every_queue_has_a_consumer_in_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """`muniment worker --queue` offers each queue with the right pool."""
    commands = [["celery", *processes.worker_command(Settings(), queue, None, 1)] for queue in jobs.Queue]

    assert consumers(commands, monkeypatch) == POOLS


def test_scheduler_and_flower_commands_parse(monkeypatch: pytest.MonkeyPatch) -> None:
    """`muniment scheduler` and `muniment flower` become existing celery commands."""
    commands = [processes.scheduler_command(Settings()), processes.flower_command(5555)]

    assert [parse_celery(["celery", *c], monkeypatch)[0] for c in commands] == ["beat", "flower"]
