"""The scripts of set-up are quiet: a line for each step, and a log that a failure points to."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

#: Stands for Python: makes an environment whose Python is this script, too. FAIL makes pip fail.
PYTHON = """\
case "$*" in
    *"-m venv"*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
    *--version*) echo Python 3.11.0 ;;
    *"-m pip"*) for n in $(seq 100); do echo "pip says $n"; done; [ -z "${FAIL:-}" ] ;;
esac
"""

APT = """\
for n in $(seq 100); do echo "apt-get $3 says $n"; done
exit 100
"""


class Machine:
    """A tree with the scripts of set-up, and programs that stand for the real ones."""

    def __init__(self, folder: Path) -> None:
        self.tree, self.programs, self.cache = (folder / name for name in ("tree", "bin", "cache"))
        (self.tree / "tools").mkdir(parents=True)
        self.programs.mkdir()
        for name in ("setup.sh", "steps.sh", "test_python.sh", "opensearch.jars"):
            shutil.copy(ROOT / "tools" / name, self.tree / "tools" / name)
        for name in ("requirements.lock", "pyproject.toml"):
            (self.tree / name).touch()

    def program(self, name: str, script: str) -> Path:
        """Put a program first on the PATH."""
        path = self.programs / name
        path.write_text(f"#!/bin/bash\n{script}")
        path.chmod(0o755)
        return path

    def setup(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run tools/setup.sh."""
        return self.run("setup.sh", *arguments, **environment)

    def run(self, script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a script of tools/."""
        return subprocess.run(
            ["bash", self.tree / "tools" / script, *arguments],
            env={
                "PATH": f"{self.programs}:{os.defpath}",
                "HOME": str(self.cache.parent),
                "XDG_CACHE_HOME": str(self.cache),
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=60,
        )

    @property
    def log(self) -> Path:
        """Return where the installers' output goes."""
        return self.cache / "muniment" / "setup.log"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_each_step_is_one_line(machine: Machine) -> None:
    """What pip prints goes to the log; the terminal gets the steps with their seconds."""
    python = machine.program("python", PYTHON)

    done = machine.setup("python", PYTHON=str(python))

    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    steps = [re.sub(r"\d+ s$", "N s", line) for line in done.stderr.splitlines()]
    assert steps == [
        "setup: making .venv with Python 3.11.0 ... N s",
        "setup: installing the locked dependencies ... N s",
        "setup: installing Muniment into .venv ... N s",
    ]
    assert machine.log.read_text().count("pip says 100") == 2


def test_nothing_to_do_is_silent(machine: Machine) -> None:
    """A second run prints nothing and runs no installer."""
    python = machine.program("python", PYTHON)
    machine.setup("python", PYTHON=str(python))

    again = machine.setup("python", PYTHON=str(python), FAIL="yes")

    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_failure_shows_the_end_of_the_log_and_its_path(machine: Machine) -> None:
    """When pip fails, its last lines are shown, the log has all of them, and the next run tries again."""
    python = machine.program("python", PYTHON)

    failed = machine.setup("python", PYTHON=str(python), FAIL="yes")
    again = machine.setup("python", PYTHON=str(python))

    assert failed.returncode != 0
    assert "installing the locked dependencies ... failed after" in failed.stderr
    assert "    pip says 100\n" in failed.stderr
    assert "pip says 1\n" not in failed.stderr
    assert f"the whole output is in {machine.log}" in failed.stderr
    assert "pip says 1\n" in machine.log.read_text()
    assert again.returncode == 0


def test_optional_servers_do_not_stop_the_setup(machine: Machine) -> None:
    """When apt-get fails, the log is named, the consequence is told, and the script succeeds."""
    machine.program("apt-get", APT)
    machine.program("dpkg", "exit 1")
    machine.program("id", "echo 0")

    done = machine.setup("cyrus")

    assert done.returncode == 0
    assert f"the whole output is in {machine.log}" in done.stderr
    assert done.stderr.endswith("setup: the tests with Cyrus are skipped: its packages come from Debian 12\n")
    assert list((machine.cache / "muniment").glob("cyrus*")) == []


def test_who_cannot_install_is_told_how(machine: Machine) -> None:
    """Without root nothing is installed, and the command to do so is printed."""
    machine.program("id", "echo 1000")

    done = machine.setup("packages", "no-such-server")

    assert done.returncode == 0
    assert done.stderr == (
        "setup: not installed: no-such-server. On Debian or Ubuntu: sudo apt-get install no-such-server\n"
    )


def test_git_opens_with_the_template(machine: Machine) -> None:
    """In a checkout git is told of .gitmessage, unless it has a template already."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    python = machine.program("python", PYTHON)

    def template() -> str:
        configured = ["git", "config", "--local", "commit.template"]
        return subprocess.run(configured, cwd=machine.tree, capture_output=True, text=True).stdout.strip()

    subprocess.run(["git", "init", "--quiet", str(machine.tree)], check=True)
    machine.setup("python", PYTHON=str(python))
    assert template() == ".gitmessage"

    subprocess.run(["git", "config", "commit.template", "mine"], cwd=machine.tree, check=True)
    (machine.tree / "requirements.lock").write_text("changed")
    machine.setup("python", PYTHON=str(python))
    assert template() == "mine"


def test_pythons_that_cannot_be_had_are_skipped(machine: Machine) -> None:
    """A version that is nowhere is skipped with the reason: no failure."""
    done = machine.run("test_python.sh", "3.99")

    assert done.returncode == 0, done.stderr
    assert done.stdout == "Python 3.99 skipped\n"
    assert done.stderr.startswith("setup: Python 3.99 is skipped: not on PATH, not in pyenv, and no Debian root")


@pytest.mark.parametrize(("fail", "code", "result"), [("", 0, "passed"), ("yes", 1, "failed")])
def test_pythons_of_the_machine_run_the_tests(machine: Machine, fail: str, code: int, result: str) -> None:
    """Each version gets an environment of its own; one failure fails the whole, after all had their turn."""
    machine.program("python3.99", PYTHON.replace(".venv", '"${!#}"').replace("-m pip", "-m pytest"))

    done = machine.run("test_python.sh", "3.99", "3.98", FAIL=fail)

    assert done.stdout.splitlines()[-2:] == [f"Python 3.99 {result}", "Python 3.98 skipped"]
    assert done.returncode == code


def test_log_does_not_grow_for_ever(machine: Machine) -> None:
    """A log above 1 MiB is put aside before the next step."""
    python = machine.program("python", PYTHON)
    machine.log.parent.mkdir(parents=True)
    machine.log.write_bytes(bytes(2**20 + 1))

    machine.setup("python", PYTHON=str(python))

    assert machine.log.stat().st_size < 2**20
    assert machine.log.with_name("setup.log.old").stat().st_size == 2**20 + 1


def test_log_is_elsewhere_when_the_cache_is_read_only(machine: Machine) -> None:
    """Setting up works without a cache folder, as long as nothing has to be kept there."""
    python = machine.program("python", PYTHON)
    machine.cache.touch()  # no folder can be made there

    failed = machine.setup("python", PYTHON=str(python), FAIL="yes", TMPDIR=str(machine.tree))

    named = re.search(r"the whole output is in (\S+)", failed.stderr)
    assert named is not None
    assert "pip says 1\n" in Path(named[1]).read_text()
