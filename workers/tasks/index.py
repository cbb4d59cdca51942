"""Index: drain the outbox."""

from __future__ import annotations

from muniment.jobs import INDEX_DRAIN
from muniment.services.drain_outbox import drain_outbox
from workers.app import app
from workers.task import MunimentTask


@app.task(name=INDEX_DRAIN, base=MunimentTask, bind=True)
def index_drain(self: MunimentTask) -> None:
    """Index what is due, for a bounded time."""
    self.serve(drain_outbox)
