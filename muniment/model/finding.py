"""Findings of the connection test."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """The result of a step of the connection test."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True)
class Finding:
    """One step: what was tested, what was found, and what to change (empty: nothing)."""

    step: str
    verdict: Verdict
    found: str
    advice: str = ""


def fine(step: str, found: str) -> Finding:
    """Return a finding that needs no action."""
    return Finding(step, Verdict.OK, found)


def warning(step: str, found: str, advice: str) -> Finding:
    """Return a finding that deserves attention but does not prevent archiving."""
    return Finding(step, Verdict.WARNING, found, advice)


def failed(step: str, found: str, advice: str) -> Finding:
    """Return a finding that prevents archiving."""
    return Finding(step, Verdict.FAILED, found, advice)
