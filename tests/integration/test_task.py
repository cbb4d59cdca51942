"""What a task does if its service cannot run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery
from celery.exceptions import Reject

from muniment.secrecy import create_key_file
from muniment.services.indexing.tend_index import work_at_index
from workers import lifecycle, task


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch, port: int, tmp_path: Path) -> Iterator[None]:
    """Give this process the settings of a worker whose PostgreSQL does not respond."""
    create_key_file(tmp_path / "secret.key")
    monkeypatch.setenv("MUNIMENT_DATA", str(tmp_path))
    monkeypatch.setenv("MUNIMENT_DATABASE_URL", f"postgresql://muniment@127.0.0.1:{port}/muniment")
    monkeypatch.setenv("MUNIMENT_REDIS_URL", f"redis://127.0.0.1:{port}/0")
    monkeypatch.setattr(task, "PAUSE_SECONDS", 0.01)
    yield
    lifecycle.bridge.stop()


@pytest.mark.usefixtures("away")
def test_task_that_cannot_be_done_goes_back_to_the_queue() -> None:
    """A worker without its resources does not swallow a task: it rejects it, and another worker gets it."""
    app = Celery("test", set_as_current=False, broker="memory://")

    @app.task(base=task.MunimentTask, bind=True)
    def work(self: task.MunimentTask) -> None:
        self.serve(work_at_index)

    with pytest.raises(Reject) as caught:
        work()

    assert vars(caught.value)["requeue"] is True
