"""Whether the process lives (`/healthz`), and whether it could work (`/readyz`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError
from http import HTTPStatus
from typing import Any

from muniment.bridge import Bridge, Service
from muniment.errors import MunimentError
from muniment.exporter.http import answer
from muniment.services.operating.check_health import check_broker, check_database

#: What every part says when all is well.
OK = "ok"

#: An event loop that does not answer for so long (seconds) hangs: its mailboxes lose their leases.
LOOP_SECONDS = 10.0
#: So long PostgreSQL and Redis may take, each (seconds).
DOORS_SECONDS = 4.0


class Health:
    """Asks the event loop of this process; each page is a WSGI application."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    def live(self, _: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer 200 while the event loop does; 503: restart the process, nothing else will help."""
        found = OK if self._bridge.beats(LOOP_SECONDS) else f"silent for {LOOP_SECONDS:g} s"
        return _answer(start_response, {"event_loop": found})

    def ready(self, _: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer 200 when PostgreSQL and Redis answer; 503: the process waits for them, do not restart it."""
        found = {"database": self._check(check_database), "broker": self._check(check_broker)}
        return _answer(start_response, found)

    def _check(self, check: Service[None]) -> str:
        try:
            self._bridge.ask(check, DOORS_SECONDS)
        except MunimentError as error:
            return str(error)
        except TimeoutError:
            return f"no answer within {DOORS_SECONDS:g} s"
        except CancelledError:
            return "the process is shutting down"
        return OK


def _answer(start_response: Callable[..., Any], checks: dict[str, str]) -> Iterable[bytes]:
    well = all(found == OK for found in checks.values())
    status = HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
    return answer(start_response, status, {"status": OK if well else "failing", "checks": checks})
