"""`muniment demo`, the first command that a newcomer runs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from muniment.cli.kit.exit_codes import ExitCode
from muniment.demo.dovecot import find_dovecot
from muniment.errors import Misconfigured
from tests.support import processes
from tests.support.missing import missing
from tests.support.processes import Running


@pytest.fixture
def temporary() -> Iterator[Path]:
    """Yield a folder for temporary files that Dovecot's account can access; pytest's own folders are private."""
    try:
        find_dovecot()
    except Misconfigured as error:
        missing(f"{error}. {error.hint}")
    with tempfile.TemporaryDirectory(prefix="muniment-test-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_demo_shows_everything_and_leaves_nothing(temporary: Path) -> None:
    """Every step succeeds and is shown with its command; afterwards, no process and no file is left."""
    with Running("demo", environ={"TMPDIR": str(temporary)}) as demo:
        code = demo.wait()
        demo.assert_no_orphans()

    assert code == ExitCode.OK, demo.stdout + demo.stderr
    commands = [line.split()[2] for line in demo.stdout.splitlines() if line.startswith("$ muniment ")]
    assert set(commands) == {"up", "user", "profile", "run", "search", "export", "verify", "status"}
    assert len([line for line in demo.stdout.splitlines() if line.startswith("✓ ")]) == 4
    assert list(temporary.iterdir()) == []


def test_interrupted_demo_leaves_nothing(temporary: Path) -> None:
    """Ctrl-C during the demo stops every server and removes every file."""
    with Running("demo", environ={"TMPDIR": str(temporary)}) as demo:
        demo.wait_for_line("$ muniment profile run")
        code = demo.interrupt()
        demo.assert_no_orphans()

    assert code == ExitCode.INTERRUPTED
    assert list(temporary.iterdir()) == []


def test_killed_demo_leaves_no_process(temporary: Path) -> None:
    """SIGKILL of the demo also ends its mail server and its Muniment."""
    with Running("demo", environ={"TMPDIR": str(temporary)}) as demo:
        demo.wait_for_line("$ muniment profile run")
        demo.process.kill()
        demo.process.wait(60)
        demo.assert_no_orphans()


def test_demo_never_plays_on_somebodys_archive(temporary: Path) -> None:
    """A folder that is not empty is refused and left unchanged."""
    (temporary / "precious").write_text("mail")

    finished = processes.run("demo", "--data", str(temporary))

    assert finished.code == ExitCode.CONFLICT
    assert [file.name for file in temporary.iterdir()] == ["precious"]
