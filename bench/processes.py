"""CPU time, including that of exited children, and memory of a process tree."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Self

import psutil

_SAMPLE_SECONDS = 0.25


def tree(root: int) -> list[psutil.Process]:
    """Return a process and its descendants; empty if it has exited."""
    try:
        process = psutil.Process(root)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """Return the user and system time of these processes and of all their exited children.

    When a parent collects a child, the kernel adds the child's time to the parent's `cutime` and `cstime`, so the sum
    over a tree also includes short-lived processes.
    """
    total = 0.0
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def memory_bytes(processes: Iterable[psutil.Process]) -> int:
    """Return the proportional set size, which divides shared pages among the processes that share them."""
    total = 0
    for process in processes:
        try:
            total += process.memory_full_info().pss
        except psutil.Error:
            continue
    return total


class PeakMemory:
    """Samples the memory of a changing set of processes in a thread, within `with`."""

    def __init__(self, processes: Callable[[], Iterable[psutil.Process]]) -> None:
        self._processes = processes
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="peak memory", daemon=True)
        self.bytes = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while True:
            self.bytes = max(self.bytes, memory_bytes(self._processes()))
            if self._stop.wait(_SAMPLE_SECONDS):
                return


def difference(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """Return the seconds that each part has used between two samples."""
    return {name: round(after[name] - before.get(name, 0.0), 2) for name in after}
