from __future__ import annotations

from muniment.cli.processes import flower_command, scheduler_command, worker_command
from muniment.jobs import Queue
from muniment.settings import Settings

SETTINGS = Settings()


def test_archive_worker_is_a_pool_of_threads() -> None:
    """`muniment worker` runs celery with a pool of threads and the configured concurrency."""
    line = " ".join(worker_command(SETTINGS, Queue.ARCHIVE, None, 42))

    assert line.startswith("-A workers worker -Q archive --pool=threads -c 20 ")
    assert "--hostname=archive.42@%h" in line


def test_index_worker_is_a_pool_of_processes() -> None:
    """Indexing is CPU-bound, so it uses processes; --concurrency overrides the settings."""
    line = " ".join(worker_command(SETTINGS, Queue.INDEX, 3, 42))

    assert line.startswith("-A workers worker -Q index --pool=prefork -c 3 ")


def test_scheduler_and_flower() -> None:
    """The scheduler is celery beat; Flower takes only the port."""
    assert scheduler_command(SETTINGS)[:3] == ["-A", "scheduler", "beat"]
    assert flower_command(8080) == ["-A", "workers", "flower", "--port=8080"]
