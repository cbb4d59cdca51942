"""What a process shows to those who watch it: `/metrics` for Prometheus, `/healthz` and `/readyz`.

A thread of its own serves them, so that they answer, and say so, when the event loop does not.
"""

from __future__ import annotations

from muniment.exporter.children import forget_former_children
from muniment.exporter.exporter import Build, Exporter
from muniment.exporter.fleet import FleetCollector
from muniment.exporter.process import Budget, Volume

__all__ = ["Budget", "Build", "Exporter", "FleetCollector", "Volume", "forget_former_children"]
