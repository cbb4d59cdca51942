"""Monitoring endpoints of a process: `/metrics` for Prometheus, `/healthz` and `/readyz`.

A separate thread serves them, so that they still respond, and report it, if the event loop hangs.
"""

from __future__ import annotations

from muniment.exporter.children import remove_stale_metrics
from muniment.exporter.exporter import Build, Exporter
from muniment.exporter.fleet import FleetCollector
from muniment.exporter.process import Budget, Volume

__all__ = ["Budget", "Build", "Exporter", "FleetCollector", "Volume", "remove_stale_metrics"]
