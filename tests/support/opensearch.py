"""A private OpenSearch node, run from the jars that `make servers` fetched from Maven Central."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

from muniment.embedded.child import command as dying_with_us
from muniment.secrecy import Secret
from tests.support.missing import missing
from tests.support.ports import is_free, worker_number

_RUNNER = "org.codelibs.opensearch.runner.OpenSearchRunner"
#: As in OpenSearch's own jvm.options: with other collectors, its circuit breaker mistakes garbage for a full heap.
_JAVA_OPTIONS = ("-XX:+UseG1GC", "-XX:G1ReservePercent=25", "-XX:InitiatingHeapOccupancyPercent=30")
_START_SECONDS = 240.0
#: The runner accepts no others; each process of the test session gets a share of them.
_PORTS, _SHARES = range(9202, 9299), 16


class PortTaken(Exception):
    """Another test session took the port first."""


class OpenSearchNode:
    """A node in its own folder; it can be killed, and started again with the same data and port."""

    def __init__(self, folder: Path, jars: Path, port: int, heap: str) -> None:
        self._folder = folder
        self._jars = jars
        self._heap = heap
        self.port = port
        self._cluster = f"muniment-{uuid.uuid4().hex}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> Secret:
        """The URL of the node."""
        return Secret(f"http://127.0.0.1:{self.port}")

    def start(self) -> None:
        """Start the node and wait until it responds."""
        classpath = ":".join(str(jar) for jar in sorted(self._jars.rglob("*.jar")))
        options = ["-basePath", str(self._folder), "-numOfNode", "1", "-clusterName", self._cluster]
        with (self._folder / "out.log").open("ab") as log:
            java = (_java(), f"-Xms{self._heap}", f"-Xmx{self._heap}", *_JAVA_OPTIONS, "-cp", classpath, _RUNNER)
            self._process = subprocess.Popen(
                dying_with_us((*java, *options, "-baseHttpPort", str(self.port - 1)), None),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                logs = [self._folder / "out.log", *self._folder.rglob("logs/*.log")]
                told = "\n".join(file.read_text(errors="replace")[-4000:] for file in logs)
                raise AssertionError(f"OpenSearch does not start:\n{told}")
            time.sleep(0.1)
        # A nearly full disk on the test machine must not make the node read-only.
        setting = {"cluster.routing.allocation.disk.threshold_enabled": False}
        self.request("PUT", "/_cluster/settings", {"persistent": setting})

    def kill(self) -> None:
        """Kill the node as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def request(self, method: str, path: str, body: object = None) -> dict[str, object]:
        """Send a request and return the response."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - our own node
            found: dict[str, object] = json.loads(answer.read() or b"{}")
            return found

    def _answers(self) -> bool:
        try:
            health = self.request("GET", "/_cluster/health?wait_for_status=yellow&timeout=1s")
        except (URLError, OSError):
            return False
        if health["cluster_name"] != self._cluster:
            raise PortTaken(f"another node took port {self.port}")
        return health["timed_out"] is False


def _free_port() -> int:
    ours = [port for port in _PORTS if port % _SHARES == worker_number() % _SHARES]
    return next(port for port in random.sample(ours, len(ours)) if is_free(port))


def _java() -> str:
    return shutil.which("java") or missing("OpenSearch needs Java: apt-get install openjdk-17-jre-headless")


@contextmanager
def running_opensearch(heap: str = "512m") -> Iterator[OpenSearchNode]:
    """Run a node; without its jars or Java, skip the test (in CI: fail)."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "muniment"
    jars = cache / "opensearch"
    if not jars.exists():
        missing("OpenSearch's jars are not there: `make servers` fetches them from Maven Central")
    _java()
    folder = Path(tempfile.mkdtemp(prefix="opensearch."))
    node = _started(folder, jars, heap)
    try:
        yield node
    finally:
        node.kill()
        shutil.rmtree(folder, ignore_errors=True)


def _started(folder: Path, jars: Path, heap: str) -> OpenSearchNode:
    while True:
        node = OpenSearchNode(folder, jars, _free_port(), heap)
        try:
            node.start()
        except BaseException as error:
            node.kill()
            shutil.rmtree(folder)
            if not isinstance(error, PortTaken):
                raise
            folder.mkdir()
        else:
            return node
