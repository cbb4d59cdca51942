"""The Celery application of the scheduler: beat only, without tasks."""

from __future__ import annotations

from muniment.queue import celery_app
from scheduler.schedule import settings

app = celery_app("muniment-scheduler", settings, configure=lambda _: {"beat_scheduler": "scheduler.beat:TickScheduler"})
