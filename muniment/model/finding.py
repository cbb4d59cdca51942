"""What the connection doctor finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a step of the diagnosis went."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True)
class Finding:
    """One step: what was looked at, what was found, and what to change (empty: nothing)."""

    step: str
    verdict: Verdict
    found: str
    advice: str = ""


def fine(step: str, found: str) -> Finding:
    """Return a finding that needs nothing."""
    return Finding(step, Verdict.OK, found)


def warning(step: str, found: str, advice: str) -> Finding:
    """Return a finding to think about."""
    return Finding(step, Verdict.WARNING, found, advice)


def failed(step: str, found: str, advice: str) -> Finding:
    """Return a finding that keeps mail from being archived."""
    return Finding(step, Verdict.FAILED, found, advice)
