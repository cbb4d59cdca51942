"""The files in deploy/monitoring: valid for Prometheus' own tool, and based on metrics that Muniment exports."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.prometheus import FOLDER, tool
from tools import dashboard, metrics_doc

ROOT = Path(__file__).resolve().parents[3]
SUFFIXES = ("", "_total", "_bucket", "_sum", "_count")


def promtool(*arguments: str) -> str:
    """Run promtool, which must succeed."""
    done = subprocess.run([tool("promtool"), *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["prometheus.yml", "prometheus-compose.yml"])
def test_configuration_is_accepted(name: str) -> None:
    """Prometheus accepts the configuration and the rules."""
    assert "SUCCESS" in promtool("check", "config", str(FOLDER / name))


def test_alerts_fire_when_they_should_and_only_then() -> None:
    """The alert tests in alerts.test.yml pass."""
    assert "SUCCESS" in promtool("test", "rules", str(Path(__file__).with_name("alerts.test.yml")))


def test_every_alert_is_tested_and_explained() -> None:
    """Each alert fires in a test and has a section in docs/how-to/respond-to-alerts.md, with a link to it."""
    tests = Path(__file__).with_name("alerts.test.yml").read_text()
    manual = (ROOT / "docs" / "how-to" / "respond-to-alerts.md").read_text()
    names = [rule["alert"] for rule in rules()]

    assert len(names) == len(set(names)) >= 20
    assert [name for name in names if name not in tests] == []
    assert [name for name in names if f"### {name}\n" not in manual] == []
    assert [word for word in re.findall(r"^### (Muniment\w+)$", manual, re.MULTILINE) if word not in names] == []


def test_dashboard_is_up_to_date() -> None:
    """The JSON file is the output of tools/dashboard.py."""
    assert dashboard.render() == dashboard.FILE.read_text(), "run: python -m tools.dashboard"


def test_alerts_and_dashboard_ask_for_what_there_is() -> None:
    """Every metric in a rule or a panel is exported by Muniment, and panels have all fields that Grafana requires."""
    families = [*metrics_doc.own(), *metrics_doc.fleet()]
    known = {family.name + suffix for family in families for suffix in SUFFIXES}
    asked = {name for text in [*(rule["expr"] for rule in rules()), *panels()] for name in names_in(text)}

    assert len(asked) > 20
    assert asked - known == set()


def rules() -> list[dict[str, str]]:
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> Iterator[str]:
    for panel in json.loads(dashboard.FILE.read_text())["panels"]:
        for target in panel.get("targets", []):
            yield target["expr"]


def names_in(expression: str) -> set[str]:
    return set(re.findall(r"\bmuniment_\w+", expression))
