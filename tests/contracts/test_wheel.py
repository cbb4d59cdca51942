"""The contents of the wheel: everything that Muniment needs, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("muniment", "workers", "scheduler")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Build the wheel from the tree, as the Dockerfile does."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert built.returncode == 0, built.stderr
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def source_files() -> set[str]:
    """Return all files of the three packages in the tree."""
    found = (path for name in PACKAGES for path in (ROOT / name).rglob("*") if path.is_file())
    return {path.relative_to(ROOT).as_posix() for path in found if "__pycache__" not in path.parts}


def test_wheel_holds_the_three_packages_whole(wheel: zipfile.ZipFile) -> None:
    """The wheel contains every file of muniment, workers and scheduler, including SQL, and no others."""
    names = set(wheel.namelist())
    packaged = {name for name in names if not PurePosixPath(name).parts[0].endswith(".dist-info")}

    assert source_files() == packaged
    assert {"muniment", "workers", "scheduler"} == {PurePosixPath(name).parts[0] for name in packaged}
    assert any(name.startswith("muniment/db/migrations/") and name.endswith(".sql") for name in packaged)
    assert any(name.startswith("muniment/db/sql/") and name.endswith(".sql") for name in packaged)


def test_wheel_holds_nothing_private(wheel: zipfile.ZipFile) -> None:
    """The wheel contains only program files: no keys, passwords, dumps or tests."""
    allowed = {".py", ".sql", ".lua", ".typed", ".html", ".css", ".js", ".svg"}
    names = [PurePosixPath(name) for name in wheel.namelist()]

    assert {n.suffix for n in names if not n.parts[0].endswith(".dist-info")} <= allowed
    assert not [n for n in names if "tests" in n.parts or n.name.startswith(("test_", "conftest", "."))]


def test_wheel_says_what_it_is(wheel: zipfile.ZipFile) -> None:
    """The wheel's metadata contain name, version, licence, licence text and the command."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    info = f"muniment-{project['version']}.dist-info"
    metadata = wheel.read(f"{info}/METADATA").decode()

    assert "License-Expression: GPL-3.0-or-later" in metadata
    assert f"{info}/licenses/LICENSE" in wheel.namelist()
    assert "muniment = muniment.cli:main" in wheel.read(f"{info}/entry_points.txt").decode()
