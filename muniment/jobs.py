"""The contract between the processes: task names, queues and arguments.

The broker carries ids only. Publishers import this module, never a task's code.
"""

from __future__ import annotations

from enum import StrEnum

#: Run one slice of a job. Arguments: run id, job id.
ARCHIVE_SLICE = "muniment.archive.slice"

#: Drain the index outbox for a bounded time. Arguments: none.
INDEX_DRAIN = "muniment.index.drain"


class Queue(StrEnum):
    """The broker's queues; each has its own pool of workers."""

    ARCHIVE = "archive"
    INDEX = "index"


#: The queue of each task.
ROUTES: dict[str, Queue] = {ARCHIVE_SLICE: Queue.ARCHIVE, INDEX_DRAIN: Queue.INDEX}

#: The meaning of a task's ids, displayed in Flower.
ARGUMENTS: dict[str, tuple[str, ...]] = {ARCHIVE_SLICE: ("run", "job"), INDEX_DRAIN: ()}
