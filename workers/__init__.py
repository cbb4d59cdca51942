"""PROCESS: a worker, `celery -A workers worker -Q archive --pool=threads -c 50`."""

from workers.app import app

__all__ = ["app"]
