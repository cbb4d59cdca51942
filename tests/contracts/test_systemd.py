"""The units of deploy/systemd are accepted by systemd and use existing commands and settings."""

from __future__ import annotations

import configparser
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from muniment.cli.program import COMMANDS
from muniment.settings import Settings

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "systemd"
UNITS = sorted(FOLDER.glob("*.service"))


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_systemd_accepts_the_unit(unit: Path, tmp_path: Path) -> None:
    """`systemd-analyze verify` reports nothing once the program is at the path in the unit."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")  # also in CI: containers have no systemd
    there = tmp_path / unit.name
    there.write_text(unit.read_text().replace("/opt/muniment/bin/muniment", sys.executable))
    shutil.copy(FOLDER / "muniment.target", tmp_path)

    done = subprocess.run([program, "verify", "--man=no", str(there)], capture_output=True, text=True)

    ours = [line for line in done.stderr.splitlines() if unit.stem.rstrip("@") in line]
    assert (done.returncode, ours) == (0, [])


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_unit_starts_a_command_that_exists_and_gives_it_time(unit: Path) -> None:
    """The command and its options exist; systemd waits longer for the end than the worker takes."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(unit)
    service = parser["Service"]
    _, command, *options = shlex.split(service["ExecStart"])

    assert command in COMMANDS
    assert options in ([], ["--queue", "index"])
    assert float(service["TimeoutStopSec"]) > Settings().stop_seconds
    assert service["EnvironmentFile"] == "/etc/muniment/muniment.env"


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_unit_is_confined(unit: Path) -> None:
    """`systemd-analyze security` rates the exposure as OK or better, 3.0 of 10 at most; MEDIUM begins at 5.0."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")  # also in CI: containers have no systemd
    done = subprocess.run(
        [program, "security", "--no-pager", "--offline=true", "--threshold=30", str(unit)],
        capture_output=True,
        text=True,
    )

    if "unrecognized option" in done.stderr:
        pytest.skip("systemd-analyze is older than version 250")
    assert done.returncode == 0, done.stdout[-200:]


def test_environment_file_is_complete(tmp_path: Path) -> None:
    """Muniment accepts the example environment, which selects no embedded server and contains no secret."""
    lines = (FOLDER / "muniment.env").read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines if line)
    for name, url in {"DATABASE_URL": "postgresql://u:p@h/m", "REDIS_URL": "rediss://:p@h/0"}.items():
        (tmp_path / name).write_text(url)
        assert given[f"MUNIMENT_{name}_FILE"] == f"/etc/muniment/{name.lower()}"
        given[f"MUNIMENT_{name}_FILE"] = str(tmp_path / name)
    found = Settings.from_environment(given)

    assert found.database_url is not None
    assert found.redis_url is not None
    assert found.secret_key_file is not None
    assert found.check_links() == []


def test_units_are_looked_at() -> None:
    """There is one unit per process."""
    assert [unit.name for unit in UNITS] == [
        "muniment-archive@.service",
        "muniment-index@.service",
        "muniment-scheduler.service",
    ]
