"""The schedule: periodic services and their intervals."""

from __future__ import annotations

from dataclasses import dataclass

from muniment.bridge import Service
from muniment.embedded import endpoints
from muniment.services.indexing.tend_index import dispatch_index
from muniment.services.operating.report_process import forget_silent_processes
from muniment.services.runs.lifecycle import start_due_runs
from muniment.services.runs.tick import pump_runs
from muniment.services.searching.saved_searches import run_requested_searches
from muniment.services.stores.tend_stores import tend_stores
from muniment.settings import Settings


@dataclass(frozen=True)
class Entry:
    """A service that runs every `seconds`. It must be idempotent and safe to run concurrently with itself."""

    name: str
    service: Service[None]
    seconds: float


def settings() -> Settings:
    """Read the settings; missing URLs are taken from a running `muniment up`."""
    return endpoints.resolve(Settings.from_environment())


def schedule(settings: Settings) -> tuple[Entry, ...]:
    """Return all entries."""
    return (
        Entry("start due runs", start_due_runs, settings.tick_seconds),
        Entry("pump runs", pump_runs, settings.tick_seconds),
        Entry("dispatch index", dispatch_index, settings.tick_seconds),
        Entry("saved searches", run_requested_searches, settings.tick_seconds),
        Entry("tend stores", tend_stores, 60.0),
        Entry("forget silent processes", forget_silent_processes, 3600.0),
    )
