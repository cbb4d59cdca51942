from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from muniment.embedded.folder import DataFolder
from tests.support.services import postgres_server

#: A RAM disk if available: these tests create and copy whole clusters.
_FAST_DISK = "/dev/shm" if Path("/dev/shm").is_dir() else None


@pytest.fixture
def home() -> Iterator[Path]:
    """Yield an empty folder of mode 0700 with a path short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="muniment-test-", dir=_FAST_DISK) as folder:
        (Path(folder) / "run").mkdir(mode=0o700)
        yield Path(folder)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Path]:
    """Create a cluster once, because that takes longer than most tests."""
    with tempfile.TemporaryDirectory(prefix="muniment-test-", dir=_FAST_DISK) as folder:
        with postgres_server(Path(folder)):
            pass
        yield Path(folder) / "postgres"


@pytest.fixture
def made(home: Path, cluster: Path) -> Path:
    """Return a data folder after its first start."""
    data = home / "data"
    DataFolder(data).create()
    subprocess.run(["cp", "-a", "--", cluster, data], check=True)
    return data
