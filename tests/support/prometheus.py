"""A real Prometheus, started with one of the repository's configurations."""

from __future__ import annotations

import json
import shutil
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.missing import missing
from tests.support.ports import free_port
from tests.support.processes import Running
from tests.support.waiting import wait_until

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "monitoring"


def tool(name: str) -> str:
    """Return the path of `prometheus` or `promtool`."""
    return shutil.which(name) or missing(f"{name} is not installed: make servers")


@dataclass(frozen=True)
class Prometheus:
    """A running server."""

    port: int

    def ask(self, path: str, **words: str) -> Any:
        """Return the data of one API call (`query`, `rules`, `targets`, …)."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(words)}"
        try:
            with urllib.request.urlopen(url, timeout=60) as response:
                answer = json.load(response)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{words or path}: {error.read().decode()}") from error
        assert answer["status"] == "success", answer
        return answer["data"]

    def value(self, query: str) -> float | None:
        """Return the value of a query with one result; None while it has none."""
        result = self.ask("query", query=query)["result"]
        return float(result[0]["value"][1]) if result else None


@contextmanager
def running_prometheus(home: Path, targets: list[str]) -> Iterator[Prometheus]:
    """Run the configuration of deploy/monitoring with other targets for the job `muniment`, scraped every second."""
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(FOLDER / "alerts.yml")]
    [job] = [job for job in config["scrape_configs"] if job["job_name"] == "muniment"]
    job["static_configs"] = [{"targets": targets}]
    config["scrape_configs"] = [job]
    file = home / "prometheus.yml"
    file.write_text(yaml.safe_dump(config))
    port = free_port()
    arguments = (
        f"--config.file={file}",
        f"--storage.tsdb.path={home / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
    )
    with Running(*arguments, program=[tool("prometheus")]) as running:
        running.wait_for_line("Server is ready to receive web requests")
        made = Prometheus(port)
        wait_until(lambda: _all_up(made, len(targets)), "all targets to be scraped")
        yield made


def _all_up(server: Prometheus, targets: int) -> bool:
    return server.value('sum(up{job="muniment"})') == targets
