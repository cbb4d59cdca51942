"""The contract between the processes: task names, queues and arguments.

The broker carries ids only. Whoever publishes needs this module and never a task's code.
"""

from __future__ import annotations

from enum import StrEnum

#: Runs one slice of a job. Arguments: run id, job id.
ARCHIVE_SLICE = "muniment.archive.slice"

#: Drains the index outbox for a bounded time. Arguments: none.
INDEX_DRAIN = "muniment.index.drain"


class Queue(StrEnum):
    """The broker's queues; each has its own pool of workers."""

    ARCHIVE = "archive"
    INDEX = "index"


#: Which queue carries which task.
ROUTES: dict[str, Queue] = {ARCHIVE_SLICE: Queue.ARCHIVE, INDEX_DRAIN: Queue.INDEX}

#: What the ids of a task mean, for people who watch the broker.
ARGUMENTS: dict[str, tuple[str, ...]] = {ARCHIVE_SLICE: ("run", "job"), INDEX_DRAIN: ()}
