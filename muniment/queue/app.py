"""How a process gets its Celery application."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery import Celery
from celery.signals import setup_logging

from muniment import log
from muniment.errors import Misconfigured, MunimentError
from muniment.queue.config import celery_config
from muniment.settings import Settings


def celery_app(
    name: str,
    settings: Callable[[], Settings],
    *,
    include: tuple[str, ...] = (),
    configure: Callable[[Settings], dict[str, Any]] = lambda _: {},
) -> Celery:
    """Return an application that reads its settings when Celery first needs them, not when it is imported.

    `include` names the modules of its tasks; `configure` may add to the common configuration.
    Wrong settings end the process with a sentence instead of a traceback.
    """

    def configuration() -> dict[str, Any]:
        try:
            found = settings()
            if found.redis_url is None:
                raise Misconfigured("MUNIMENT_REDIS_URL is not set")
            return celery_config(found.redis_url) | configure(found)
        except MunimentError as error:
            raise SystemExit(f"error: {error}\nhint: {error.hint}") from error

    def configure_logging(**_: object) -> None:
        found = Settings.from_environment()
        log.configure(found.log_level, json=found.log_json)

    setup_logging.connect(configure_logging, weak=False)
    app = Celery(name, include=include)
    app.add_defaults(configuration)
    return app
