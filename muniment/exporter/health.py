"""Health checks: liveness (`/healthz`) and readiness (`/readyz`) of this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError
from http import HTTPStatus
from typing import Any

from muniment.bridge import Bridge, Service
from muniment.errors import MunimentError
from muniment.exporter.http import answer
from muniment.services.operating.check_health import check_broker, check_database

#: The result of a successful check.
OK = "ok"

#: If the event loop does not respond within this time (seconds), it hangs: its mailboxes lose their leases.
LOOP_SECONDS = 10.0
#: Timeout for PostgreSQL and Redis, each (seconds).
SERVER_SECONDS = 4.0


class Health:
    """Checks the event loop of this process; each page is a WSGI application."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    def live(self, _: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer 200 if the event loop responds; 503 means that only a restart of the process helps."""
        result = OK if self._bridge.beats(LOOP_SECONDS) else f"no response for {LOOP_SECONDS:g} s"
        return _answer(start_response, {"event_loop": result})

    def ready(self, _: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer 200 if PostgreSQL and Redis respond; 503 means that the process waits for them: do not restart it."""
        checks = {"database": self._check(check_database), "broker": self._check(check_broker)}
        return _answer(start_response, checks)

    def _check(self, check: Service[None]) -> str:
        try:
            self._bridge.ask(check, SERVER_SECONDS)
        except MunimentError as error:
            return str(error)
        except TimeoutError:
            return f"no response within {SERVER_SECONDS:g} s"
        except CancelledError:
            return "the process is shutting down"
        return OK


def _answer(start_response: Callable[..., Any], checks: dict[str, str]) -> Iterable[bytes]:
    healthy = all(result == OK for result in checks.values())
    status = HTTPStatus.OK if healthy else HTTPStatus.SERVICE_UNAVAILABLE
    return answer(start_response, status, {"status": OK if healthy else "failing", "checks": checks})
