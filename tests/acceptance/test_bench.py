"""`python -m bench` works, so that a change that breaks it is noticed early."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.command import find
from bench.mbsync import find_mbsync
from muniment.demo.dovecot import find_dovecot
from muniment.errors import Misconfigured
from tests.support.missing import missing
from tests.support.processes import child_environment

ROOT = Path(__file__).parents[2]


@pytest.mark.proof
def test_benchmark_measures_every_peer(tmp_path: Path) -> None:
    """With little mail, every peer archives, Muniment's archive is exact, and the numbers are in a file."""
    try:
        find_mbsync()
        find("getmail", "getmail6")
        find("offlineimap", "offlineimap3")
        find_dovecot()
    except Misconfigured as error:
        missing(f"{error}. {error.hint}")
    size = ["--quick", "--all", "--workload", "small", "--mailboxes", "2", "--messages", "20", "--jobs", "2"]
    argv = [sys.executable, "-m", "bench", *size, "--results", str(tmp_path)]

    done = subprocess.run(argv, cwd=ROOT, env=child_environment({}), capture_output=True, text=True, timeout=600)

    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = tmp_path.glob("*.json")
    (workload,) = json.loads(file.read_text())["results"]
    assert workload["wrong"] == []
    peers = {one["peer"]: one for (measured,) in [workload["rounds"]] for one in [*measured, *workload["once"]]}
    ours = ["Muniment", "Muniment x2", "Muniment x2, index later"]
    assert list(peers) == ["mbsync", "mbsync x2", "imaplib", *ours, "getmail6", "offlineimap3"]
    assert min(workload["limits"].values()) > 0
    assert [name for name in peers if name not in file.with_suffix(".svg").read_text()] == []
    for one in peers.values():
        assert one["messages"] == 40
        assert min(one["messages_per_second"], one["cpu"], one["peak_bytes"]) > 0
        # Every connection sends LIST and LOGOUT at least, and no body is fetched again.
        assert one["repeat"]["commands"]["LIST"] >= 2
    assert [name for name in ours if "UID_FETCH" in peers[name]["repeat"]["commands"]] == []
    assert [name for name, one in peers.items() if one["left_out"] > 1] == []  # mbsync skips malformed headers


@pytest.mark.proof
def test_scale_measures_every_part(tmp_path: Path) -> None:
    """With little data, each part of `python -m bench.scale` works and writes its numbers to a file."""
    try:
        find_dovecot()
    except Misconfigured as error:
        missing(f"{error}. {error.hint}")
    argv = [sys.executable, "-m", "bench.scale", "--quick", "--results", str(tmp_path)]

    done = subprocess.run(argv, cwd=ROOT, env=child_environment({}), capture_output=True, text=True, timeout=600)

    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = tmp_path.glob("*.json")
    found = json.loads(file.read_text())
    assert [(point["rows"], point["stores"]) for point in found["growth"]] == [(2000, 1), (4000, 2), (8000, 3)]
    assert min(point["milliseconds"] for point in found["growth"]) > 0
    assert found["fleet"]["mailboxes"] == 2000
    assert 0 < found["fleet"]["entries"] < 1000
    assert (found["many"]["connections"], found["idle"]["connections"]) == (5, 20)
    assert "<polyline" in file.with_suffix(".svg").read_text()
