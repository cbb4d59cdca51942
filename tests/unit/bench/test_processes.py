"""What the benchmark says about processes is what they cost."""

from __future__ import annotations

import subprocess
import sys

from bench.processes import PeakMemory, cpu_seconds, tree
from tests.support.waiting import wait_until

_SPEND = "import time\nwhile time.process_time() < 0.4: pass"
_MIB = 1024 * 1024


def test_cpu_of_dead_grandchildren_counts() -> None:
    """CPU time of processes that ended within a tree is not lost."""
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {_SPEND!r}]); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        before = cpu_seconds(tree(process.pid))
        assert process.stdout is not None
        process.stdout.readline()

        spent = cpu_seconds(tree(process.pid)) - before

        process.communicate(b"\n")
    assert 0.35 < spent < 1.5  # the kernel counts in hundredths of a second


def test_gone_process_costs_nothing() -> None:
    """A process that is not there has an empty tree, and no costs."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()

    assert tree(process.pid) == []
    assert cpu_seconds([]) == 0.0


def test_peak_memory_is_seen_in_children() -> None:
    """The peak holds the memory of a child that has let go of it since."""
    code = "data = bytearray(b'x' * (80 << 20)); print(flush=True); input(); del data; print(flush=True); input()"
    with (
        subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process,
        PeakMemory(lambda: tree(process.pid)) as memory,  # beside it run servers of other tests
    ):
        assert process.stdin is not None
        wait_until(lambda: memory.bytes > 80 * _MIB, "the peak to be sampled")
        process.stdin.write(b"\n")
        process.communicate(b"\n")

    assert 80 * _MIB < memory.bytes < 300 * _MIB
