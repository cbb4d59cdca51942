"""The Celery application of the workers and of Flower."""

from __future__ import annotations

from typing import Any

from muniment.queue import celery_app
from muniment.settings import Settings
from workers import flower, lifecycle


def _configure(settings: Settings) -> dict[str, Any]:
    flower.secure(settings)
    return {}


app = celery_app(
    "muniment",
    lifecycle.broker_settings,
    include=("workers.tasks.archive", "workers.tasks.index"),
    configure=_configure,
)
lifecycle.connect()
