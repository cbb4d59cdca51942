"""How the coverage of the index is worded, in `muniment index status` and `muniment status`."""

from __future__ import annotations

from muniment.cli.kit.output import duration, number, plural
from muniment.clock import utc_now
from muniment.services.indexing.show_index import IndexStatus, StoreIndex


def index_warnings(found: IndexStatus) -> list[str]:
    """Return warnings about what needs an operator's attention."""
    warnings = [f"the index does not respond: {found.error}"] if found.error else []
    if found.pause is not None:
        since = duration(utc_now() - found.pause.since)
        warnings.append(f"indexing has been paused for {since}: {found.pause.reason}; it resumes automatically")
    warnings += [
        f"{plural(one.messages, 'message')} not indexed: {one.reason}" for one in found.reasons if not one.indexed
    ]
    return warnings


def coverage_text(found: IndexStatus) -> str:
    """Format the coverage of the index in one line."""
    failed = f", {number(found.failed)} refused" if found.failed else ""
    share = "unknown" if found.coverage is None else f"{_percent(found.coverage)} of the messages"
    return f"{share}, {number(found.outbox)} in the outbox{failed}"


def store_text(store: StoreIndex) -> str:
    """Format the coverage of a store's index in one line."""
    indexed = "?" if store.indexed is None else number(store.indexed)
    failed = f", {number(store.failed)} refused" if store.failed else ""
    return f"{indexed} of {plural(store.messages, 'message')}, {number(store.outbox)} in the outbox{failed}"


def _percent(share: float) -> str:
    """Format a share as a percentage that reads 100% only if nothing is missing."""
    return "100%" if share == 1 else f"{min(share, 0.999):.1%}" if share < 1 else f"{share:.1%}"
