"""Every metric is documented, and documents name no metric that does not exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client.metrics_core import Metric

from muniment.db.logins import READER
from muniment.embedded.postgres import RUNTIME
from tools import metrics_doc

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [ROOT / "muniment" / "metrics.py", *sorted((ROOT / "muniment" / "exporter").glob("*.py"))]
NAMED = sorted({name for path in SOURCES for name in re.findall(r'"(muniment_\w+[a-z])"', path.read_text())})
FAMILIES = [*metrics_doc.own(), *metrics_doc.fleet()]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
SUFFIXES = ("", "_total", "_bucket", "_sum", "_count", "_info")

#: Roles in PostgreSQL, which look like metrics.
ROLES = {"muniment_owner", RUNTIME, READER}


def test_page_is_up_to_date() -> None:
    """The page is what tools/metrics_doc.py makes of the processes' metrics."""
    assert metrics_doc.render() == metrics_doc.PAGE.read_text(), "run: python -m tools.metrics_doc"


@pytest.mark.parametrize("name", NAMED)
def test_every_metric_of_the_source_is_on_the_page(name: str) -> None:
    """A metric that only some processes show, or only at times, has a row as well."""
    assert re.search(rf"^\| `{name}(_total|_info)?` \|", metrics_doc.PAGE.read_text(), re.MULTILINE)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_metric_explains_itself(family: Metric) -> None:
    """Its help is a sentence: Prometheus and the page show it."""
    assert re.fullmatch(r"[A-Z0-9…].*\.", family.documentation)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_only_existing_metrics_are_named(path: Path) -> None:
    """What a document tells an operator to look at is there."""
    known = {family.name + suffix for family in FAMILIES for suffix in SUFFIXES}
    named = set(re.findall(r"\bmuniment_[a-z_]+[a-z]\b(?!\*|_\*|\.)", path.read_text()))

    assert named - known - ROLES == set()


def test_sources_are_read() -> None:
    """The tests above see the metrics and the documents that name some."""
    assert len(NAMED) > 40
    assert any("muniment_stage_seconds" in path.read_text() for path in DOCUMENTS if path != metrics_doc.PAGE)
