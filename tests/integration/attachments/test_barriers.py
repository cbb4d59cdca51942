"""The barriers around the process that reads attachments, each tried by a process that wants out."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from muniment.attachments import AttachmentReader, Kind, kind_of
from muniment.attachments import process as process_module
from muniment.attachments.barriers import REQUIRED, Barrier, Report, missing
from muniment.attachments.process import launch, receive
from tests.support.waiting import wait_until
from tests.unit.attachments import test_containers as containers
from tests.unit.attachments.test_readers import _FILES

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the barriers are Linux's")
ROOT = Path(__file__).parents[3]
#: Some user who owns nothing here.
SOMEBODY = 12345
EVERY = tuple(Barrier)
B = Barrier


class Cell:
    """A folder with a key that only its owner may read, and two ports that this process listens on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.chmod(0o777)
        (folder / "key").write_text("secret")
        (folder / "key").chmod(0o600)
        shutil.copy("/usr/bin/id", folder / "id")
        (folder / "id").chmod(0o4755)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port: int = self._listener.getsockname()[1]
        self._abstract = socket.socket(socket.AF_UNIX)
        self._abstract.bind(f"\0muniment-test-{self.port}")
        self._abstract.listen(100)

    def close(self) -> None:
        """Stop listening, and remove the files."""
        self._listener.close()
        self._abstract.close()
        shutil.rmtree(self.folder)

    async def tried(
        self, attempts: Sequence[str], barriers: Sequence[Barrier], user: int = 0
    ) -> tuple[Report, dict[str, str]]:
        """Return the barriers' report and the outcomes of attempts, `gone` for one that replaced its process."""
        code = (
            f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
            f"from tests.integration.attachments.prisoner import run\n"
            f"run({attempts!r}, {[b.value for b in barriers]}, {user}, {str(self.folder)!r}, {self.port})"
        )
        process = await launch("-c", code)
        report = await receive(process)
        outcomes = dict.fromkeys(attempts, "gone")
        with suppress(asyncio.IncompleteReadError):
            for attempt in attempts:
                outcomes[attempt] = await receive(process)
        if process.returncode is None:
            process.kill()
        await process.wait()
        return report, outcomes


@pytest.fixture
def cell() -> Iterator[Cell]:
    """A cell whose folder other users can reach, unlike pytest's."""
    made = Cell(Path(tempfile.mkdtemp(prefix="muniment-cell-")))
    yield made
    made.close()


#: What each barrier alone keeps from succeeding. The user is whom the process runs as before; 0: as the tests do.
_ALONE = [
    (B.LANDLOCK, "read_key read_environment_of_parent read_folder write_file connect connect_locally signal_parent", 0),
    (B.LIMITS, "read_key open_descriptor open_pipe open_memory connect write_open_file take_memory", 0),
    (B.LIMITS, "fork start_thread", SOMEBODY),
    (B.USER, "read_key read_environment_of_parent become_root", 0),
    (B.CAPABILITIES, "become_another change_root", 0),
    (B.NO_NEW_PRIVILEGES, "regain_root", SOMEBODY),
    (B.NAMESPACES, "connect connect_locally", 0),
    (B.NAMESPACES, "connect", SOMEBODY),
    (B.NOT_TRACEABLE, "be_traced", SOMEBODY),
    (B.SECCOMP, "read_key read_environment_of_parent read_folder see_file write_file open_descriptor open_memory", 0),
    (B.SECCOMP, "connect connect_locally bind fork execute start_thread become_root become_another change_root", 0),
    (B.SECCOMP, "trace_parent signal_parent limit_parent limit_processor_of_parent make_code", 0),
]


#: Outcomes of attempts without barriers, of which several tests need the same.
_FREE: dict[tuple[str, int], str] = {}


async def _without_barriers(cell: Cell, attempt: str, user: int) -> str:
    if (attempt, user) not in _FREE:
        _, outcomes = await cell.tried([attempt], (), user)
        _FREE[attempt, user] = outcomes[attempt]
    return _FREE[attempt, user]


@pytest.mark.parametrize(("barrier", "attempts", "user"), _ALONE)
async def test_a_barrier_holds_alone(cell: Cell, barrier: Barrier, attempts: str, user: int) -> None:
    """What succeeds without barriers fails behind this one."""
    if os.geteuid() and (user or barrier is B.USER):
        pytest.skip("only root can change the user")
    report, outcomes = await cell.tried(attempts.split(), [barrier], user)
    if report[barrier]:
        pytest.skip(f"this machine does not offer it: {report[barrier]}")
    free = {attempt: await _without_barriers(cell, attempt, user) for attempt in attempts.split()}
    shows_nothing = [attempt for attempt, outcome in free.items() if outcome.startswith("refused")]

    assert shows_nothing == []
    assert [attempt for attempt, outcome in outcomes.items() if not outcome.startswith("refused")] == []


@pytest.mark.parametrize("user", [0, SOMEBODY])
async def test_nothing_passes_all_barriers(cell: Cell, user: int) -> None:
    """The process as it is in operation can do none of it, whether Muniment runs as root or not."""
    if os.geteuid() and user:
        pytest.skip("only root can change the user")
    attempts = sorted({attempt for _, some, _ in _ALONE for attempt in some.split()})
    report, outcomes = await cell.tried(attempts, EVERY, user)

    assert not any(report[barrier] for barrier in REQUIRED), report
    assert [attempt for attempt, outcome in outcomes.items() if not outcome.startswith("refused")] == []


async def test_it_inherits_nothing(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process has no variable of its parent's environment and no descriptor but its two pipes."""
    monkeypatch.setenv("MUNIMENT_DATABASE_URL", "postgresql://u:password@h/d")
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    descriptor = os.open(cell.folder / "key", os.O_RDONLY)
    os.set_inheritable(descriptor, True)
    try:
        _, outcomes = await cell.tried(["look_around"], ())
    finally:
        os.close(descriptor)
    seen, _, count = outcomes["look_around"].rpartition(" ")

    assert "MUNIMENT" not in seen
    assert "PATH" not in seen
    assert count == "2"


async def test_it_dies_with_its_parent(cell: Cell) -> None:
    """A process that ignores the end of its input is killed when its worker is."""
    own = (
        "import asyncio, os, sys\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "from muniment.attachments.process import launch, receive\n"
        "async def main():\n"
        "    code = 'import sys; sys.path.insert(0, %r); from tests.integration.attachments.prisoner import run;'\n"
        "    code = code % sys.path[0] + 'run([%r], [%r], 0, %r, 1)'\n"
        f"    child = await launch('-c', code % ('wait_for_ever', 'tied-to-parent', {str(cell.folder)!r}))\n"
        "    report = await receive(child)\n"
        "    print(child.pid, report, flush=True)\n"
        "    await child.wait()\n"
        "asyncio.run(main())\n"
    )
    worker = await asyncio.create_subprocess_exec(sys.executable, "-c", own, stdout=asyncio.subprocess.PIPE)
    assert worker.stdout is not None
    pid, report = (await worker.stdout.readline()).decode().split(" ", 1)
    child = psutil.Process(int(pid))
    worker.send_signal(signal.SIGKILL)
    await worker.wait()

    assert report.strip() == "{'tied-to-parent': ''}"
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "it ends")


@pytest.fixture
async def reader() -> AsyncIterator[AttachmentReader]:
    """A reader that is patient, as a busy machine needs it."""
    opened = AttachmentReader(patience=60.0)
    yield opened
    await opened.close()


async def test_every_kind_is_read_behind_the_barriers(reader: AttachmentReader) -> None:
    """No reader needs what the process gave up."""
    wrong = []
    more = [
        ("a.pdf", "", containers.PDF, Kind.PDF, "notizwort|formwert|RG4711"),
        ("a.txt", "", "Съешь же ещё этих мягких французских булок".encode("cp1251"), Kind.TEXT, "мягких"),
        ("b.txt", "", "会議の資料を送付いたします。ご確認ください。".encode("cp932"), Kind.TEXT, "資料"),
        ("a.msg", "", containers.MESSAGE, Kind.MESSAGE, "betreffwort|innenrumpf"),
        *((name, "", data, Kind.ARCHIVE, "innenwort") for name, data in containers.ARCHIVES.items()),
    ]
    for name, type_, data, kind, words in [*_FILES, *more]:
        reading = await reader.read(name, type_, kind, data)
        absent = [word for word in words.split("|") if word not in reading.text.replace("\t", " ")]
        if absent or (reading.problem and "guessed" not in reading.problem):
            wrong.append((name, absent, reading.problem))

    assert wrong == []


@pytest.mark.parametrize("demanding", [True, False])
async def test_missing_barriers_are_said(demanding: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the filter of system calls, attachments are read or refused as the setting says, and not for good."""
    code = (
        "import sys; from muniment.attachments import child, barriers as b;"
        "child.main(int(sys.argv[-1]), barriers=set(b.Barrier) - {b.Barrier.SECCOMP})"
    )
    monkeypatch.setattr(process_module, "_CHILD", ("-c", code))
    reader = AttachmentReader(demanding=demanding, patience=60.0)
    reading = await reader.read("a.txt", "", kind_of("a.txt", "", b"zebra"), b"zebra")
    await reader.close()

    if demanding:
        assert "this machine offers no seccomp" in reading.problem
        assert (reading.text, reading.settled) == ("", False)
    else:
        assert (reading.text, reading.problem, reading.settled) == ("zebra", "", True)


async def test_a_strict_container_is_enough() -> None:
    """Where a profile refuses namespaces and Landlock, as Docker's does, the required barriers hold all the same."""
    refused = {"x86_64": 272, "aarch64": 97}.get(platform.machine())  # unshare
    code = (
        "import sys, errno; from muniment.attachments import child, kernel;"
        "kernel.set_no_new_privileges();"
        "kernel.filter_system_calls([(0x20, 0, 0, 0),"
        f"  *[p for n in ({refused}, 444) for p in ((0x15, 0, 1, n), (6, 0, 0, 0x50000 | errno.EPERM))],"
        "  (6, 0, 0, 0x7FFF0000)]);"
        "child.main(int(sys.argv[-1]))"
    )
    process = await launch("-c", code)
    report = await receive(process)
    process.kill()
    await process.wait()

    assert {"landlock", "namespaces"} <= missing(report).keys()
    assert not REQUIRED & missing(report).keys()
