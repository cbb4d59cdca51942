"""The index task: drains the outbox and maintains the index."""

from __future__ import annotations

from muniment.jobs import INDEX_DRAIN
from muniment.services.indexing.tend_index import work_at_index
from workers.app import app
from workers.task import MunimentTask


@app.task(name=INDEX_DRAIN, base=MunimentTask, bind=True)
def index_drain(self: MunimentTask) -> None:
    """Index pending messages for a bounded time."""
    self.serve(work_at_index)
