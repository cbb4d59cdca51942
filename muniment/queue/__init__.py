"""Publishes tasks: the only package of the library that imports Celery.

A task consists of a name from `muniment.jobs` and ids. Publish it after the commit that
created the rows, never before: a worker may be faster than the commit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from muniment.lazily import lazily
from muniment.queue.memory import MemoryQueue
from muniment.queue.port import Queue

if TYPE_CHECKING:
    from muniment.queue.app import celery_app
    from muniment.queue.celery_queue import CeleryQueue

__all__ = ["CeleryQueue", "MemoryQueue", "Queue", "celery_app"]

__getattr__ = lazily(__name__, {"CeleryQueue": "celery_queue", "celery_app": "app"})
