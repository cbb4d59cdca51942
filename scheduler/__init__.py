"""PROCESS: the scheduler, `celery -A scheduler beat`."""

from scheduler.app import app

__all__ = ["app"]
