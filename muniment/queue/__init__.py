"""Publishing work: the only place in the library that knows Celery.

What is published is a task name of `muniment.jobs` with ids. Publish after the commit
that created the rows, never before: a worker may be faster than the commit.
"""

from muniment.queue.app import celery_app
from muniment.queue.celery_queue import CeleryQueue
from muniment.queue.memory import MemoryQueue
from muniment.queue.port import Queue

__all__ = ["CeleryQueue", "MemoryQueue", "Queue", "celery_app"]
