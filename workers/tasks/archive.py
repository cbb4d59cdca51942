"""The archive task: runs a batch of slices of one run."""

from __future__ import annotations

from functools import partial

from muniment.jobs import ARCHIVE_SLICE
from muniment.services.archiving.run_slices import run_slices
from workers.app import app
from workers.task import MunimentTask


@app.task(name=ARCHIVE_SLICE, base=MunimentTask, bind=True)
def archive_slice(self: MunimentTask, run_id: int, job_id: int) -> None:
    """Run a slice of a job, then slices of further jobs of the same run."""
    self.serve(partial(run_slices, run_id=run_id, job_id=job_id))
