"""Archive: one slice of one mailbox."""

from __future__ import annotations

from functools import partial

from muniment.jobs import ARCHIVE_SLICE
from muniment.services.run_slice import run_slice
from workers.app import app
from workers.task import MunimentTask


@app.task(name=ARCHIVE_SLICE, base=MunimentTask, bind=True)
def archive_slice(self: MunimentTask, run_id: int, job_id: int) -> None:
    """Run one slice of a job."""
    self.serve(partial(run_slice, run_id=run_id, job_id=job_id))
