"""Celery's configuration, the same for publishers, workers and the scheduler."""

from __future__ import annotations

from typing import Any

import kombu

from muniment.jobs import ROUTES, Queue
from muniment.queue.listening import listen_promptly
from muniment.queue.url import check_broker_url
from muniment.secrecy import Secret

#: The broker redelivers a task that a worker took but never acknowledged after this time (seconds).
#: It only matters if a whole worker is lost together with PostgreSQL's leases, so it may be long.
#: It must be far longer than a slice: otherwise, redelivery runs a job twice.
VISIBILITY_TIMEOUT_SECONDS = 3600


def verified(url: str) -> str:
    """Return the URL with the default that kombu lacks: it does not verify certificates unless a URL asks for it."""
    if not url.startswith("rediss://") or "ssl_cert_reqs=" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}ssl_cert_reqs=required"


def celery_config(redis_url: Secret) -> dict[str, Any]:
    """Return the configuration for the broker at `redis_url`; raise Misconfigured if it is not a Redis URL."""
    check_broker_url(redis_url)
    listen_promptly()
    return {
        "broker_url": verified(redis_url.reveal()),
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,  # wait for the broker without a limit: it may be killed at any time
        "broker_transport_options": {
            "visibility_timeout": VISIBILITY_TIMEOUT_SECONDS,
            "socket_timeout": 30,
            "socket_connect_timeout": 10,
            "retry_on_timeout": True,
        },
        # PostgreSQL stores the results
        "result_backend": None,
        "task_ignore_result": True,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_prefetch_multiplier": 1,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_send_task_events": True,
        "task_send_sent_event": True,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "task_serializer": "json",
        "accept_content": ["json"],
        "enable_utc": True,
        "task_routes": {name: {"queue": queue.value} for name, queue in ROUTES.items()},
        "task_queues": [kombu.Queue(queue.value) for queue in Queue],
        "task_default_queue": Queue.ARCHIVE.value,
    }
