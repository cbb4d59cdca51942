"""A process and its last report."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class ProcessReport:
    """A process and its last report; `alive`: the report is recent."""

    name: str
    kind: str
    host: str
    pid: int
    concurrency: int
    started: datetime
    seen: datetime
    alive: bool
