# ruff: noqa: INP001 - a script that stands alone in the image, not a package
"""Cut the part out of requirements.lock that an image needs, with its hashes.

    python deploy/locked.py             what Muniment needs to run
    python deploy/locked.py hatchling   what the named packages need

requirements.lock holds everything, also tools and embedded servers that have no place in
an image. pip resolves the wanted packages against the lock's versions; the lines of the
lock that it chose are printed. Runs before anything is installed: standard library only.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_ENTRY = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s\\;]+)", re.MULTILINE)


def canonical(name: str) -> str:
    """Return the name as PEP 503 writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def entries(lock: str) -> dict[str, str]:
    """Return each package's lines of the lock: requirement, marker and hashes."""
    starts = list(_ENTRY.finditer(lock))
    ends = [m.start() for m in starts[1:]] + [len(lock)]
    return {canonical(m["name"]): lock[m.start() : end] for m, end in zip(starts, ends, strict=True)}


def resolve(wanted: list[str], lock: str) -> set[str]:
    """Return the names of `wanted` and all that they need on this Python, in the lock's versions."""
    with tempfile.TemporaryDirectory() as folder:
        pins = Path(folder, "pins.txt")
        pins.write_text("".join(f"{m['name']}=={m['version']}\n" for m in _ENTRY.finditer(lock)))
        report = Path(folder, "report.json")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        subprocess.run([*command, "--report", str(report), "--constraint", str(pins), *wanted], check=True)
        return {canonical(item["metadata"]["name"]) for item in json.loads(report.read_text())["install"]}


def main(wanted: list[str]) -> None:
    """Print the wanted part of requirements.lock."""
    lock = (ROOT / "requirements.lock").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = entries(lock)
    for name in sorted(resolve(wanted or project["dependencies"], lock)):
        sys.stdout.write(locked[name])


if __name__ == "__main__":
    main(sys.argv[1:])
