"""A process that reported."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class ProcessReport:
    """A process that reported; `alive`: it did so lately."""

    name: str
    kind: str
    host: str
    pid: int
    concurrency: int
    started: datetime
    seen: datetime
    alive: bool
