"""The exporter of one process."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from threading import Thread
from wsgiref.simple_server import WSGIServer

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    make_wsgi_app,
)
from prometheus_client.metrics_core import InfoMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from muniment import log, metrics
from muniment.bridge import Bridge
from muniment.exporter.children import children_folder
from muniment.exporter.health import Health
from muniment.exporter.http import Application, listen, router
from muniment.exporter.process import Volume, measure_lag
from muniment.settings import Settings

_log = log.get(__name__)


class Exporter:
    """Serves the metrics and health checks of this process until `stop`."""

    def __init__(self, kind: str, bridge: Bridge, settings: Settings, more: Sequence[Collector] = ()) -> None:
        """Prepare for a process of this `kind` (scheduler, archive, index) with `more` collectors."""
        self._settings = settings
        self._bridge = bridge
        self._registry = _registry(kind, settings, more)
        self._server: WSGIServer | None = None

    def start(self) -> None:
        """Listen on `metrics_address` and `metrics_port`; without a port, do nothing.

        If the port is in use, log an error and continue: archiving is more important than monitoring it.
        """
        settings = self._settings
        if settings.metrics_port is None:
            return
        disable_created_metrics()  # type: ignore[no-untyped-call]
        health = Health(self._bridge)
        pages: dict[str, Application] = {
            "/metrics": make_wsgi_app(self._registry),
            "/healthz": health.live,
            "/readyz": health.ready,
        }
        try:
            server = listen(settings.metrics_address, settings.metrics_port, router(pages))
        except OSError as error:
            _log.error(
                "no metrics: cannot listen",
                address=settings.metrics_address,
                port=settings.metrics_port,
                error=error.strerror or str(error),
                hint="Set a different MUNIMENT_METRICS_PORT for each process on this machine.",
            )
            return
        self._server = server
        self._bridge.keep_running(measure_lag, "event loop lag")
        Thread(target=server.serve_forever, name="metrics", daemon=True).start()
        _log.info("serving metrics", url=f"http://{settings.metrics_address}:{server.server_port}/metrics")

    def stop(self) -> None:
        """Close the port."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def close_in_child(self) -> None:
        """Close the inherited socket in a forked child; the parent keeps the port."""
        if self._server is not None:
            self._server.socket.close()


def _registry(kind: str, settings: Settings, more: Sequence[Collector]) -> CollectorRegistry:
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    registry.register(Build(kind))
    registry.register(Volume(settings.data))
    for collector in more:
        registry.register(collector)
    if children_folder() is not None:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry.register(metrics.REGISTRY)
    return registry


class Build(Collector):
    """Which process of which version this is."""

    def __init__(self, kind: str) -> None:
        self._labels = {"kind": kind, "version": version("muniment")}

    def collect(self) -> list[InfoMetricFamily]:
        """Return the one metric, which is always 1."""
        return [InfoMetricFamily("muniment_process", "The kind and the version of the process.", value=self._labels)]
