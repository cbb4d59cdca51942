"""Creates the Celery application of a process."""

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
    """Return an application that reads its settings when Celery first needs them, not on import.

    `include` lists the modules with its tasks; `configure` may extend the common configuration.
    Invalid settings end the process with an error message instead of a traceback.
    """

    def configuration() -> dict[str, Any]:
        try:
            current = settings()
            if current.redis_url is None:
                raise Misconfigured("MUNIMENT_REDIS_URL is not set")
            current.check_links()
            return celery_config(current.redis_url) | configure(current)
        except MunimentError as error:
            raise SystemExit(f"error: {error}\nhint: {error.hint}") from error

    def configure_logging(**_: object) -> None:
        current = Settings.from_environment()
        log.configure(current.log_level, json=current.log_json)

    setup_logging.connect(configure_logging, weak=False)
    app = Celery(name, include=include)
    app.add_defaults(configuration)
    return app
