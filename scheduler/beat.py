"""A scheduler for Celery beat that runs its entries in this process instead of publishing them.

A tick sent through the broker would wait behind a queue of slices, and would be lost together with
the broker whose data loss it repairs (docs/decisions/0003).
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from celery.beat import Scheduler

from muniment import log, metrics
from muniment.bridge import Bridge, wait_for_resources
from muniment.errors import MunimentError
from muniment.exporter import Exporter, FleetCollector
from muniment.services.operating.report_process import report_process
from muniment.services.operating.watch_fleet import watch_fleet
from scheduler.schedule import Entry, schedule, settings

_log = log.get(__name__)


class TickScheduler(Scheduler):
    """Runs each entry of `scheduler.schedule` when it is due; stores no state on disk."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._bridge = Bridge(settings, connections=4, key=False)  # a scheduler opens no passwords
        self._due: dict[Entry, float] = {}
        super().__init__(*args, **kwargs)

    def setup_schedule(self) -> None:
        """Start the exporter and background services, and make every entry due immediately."""
        current = settings()
        fleet = FleetCollector()
        self._exporter = Exporter("scheduler", self._bridge, current, [fleet])
        self._exporter.start()
        wait_for_resources(settings, key=False)
        if current.metrics_port is not None:
            self._bridge.keep_running(partial(watch_fleet, publish=fleet.publish), "fleet facts")
        self._due = {entry: time.monotonic() for entry in schedule(current)}
        self._bridge.keep_running(partial(report_process, kind="scheduler", concurrency=1), "report")

    def tick(self, *_: object, **__: object) -> float:
        """Run the entries that are due and return the seconds until the next one."""
        for entry, due in self._due.items():
            if due <= time.monotonic():
                self._run(entry)
                self._due[entry] = time.monotonic() + entry.seconds
        return max(0.0, min(self._due.values()) - time.monotonic())

    def close(self) -> None:
        """Close the resources."""
        self._exporter.stop()
        self._bridge.stop()

    @property
    def info(self) -> str:
        """Return a line for beat's banner."""
        return "    . entries run in this process: " + ", ".join(entry.name for entry in self._due)

    def _run(self, entry: Entry) -> None:
        try:
            with metrics.TICKS.labels(entry.name).time():
                self._bridge.run(entry.service)
        except MunimentError as error:
            metrics.TICK_FAILURES.labels(entry.name).inc()
            _log.warning("schedule entry failed and will run again", entry=entry.name, error=str(error))
        except Exception:  # noqa: BLE001 - beat must survive a bug in one entry: the others recover jobs
            metrics.TICK_FAILURES.labels(entry.name).inc()
            _log.exception("schedule entry crashed and will run again", entry=entry.name)
