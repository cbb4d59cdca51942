from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from muniment.embedded.child import MARK, Child, Program, Step
from muniment.embedded.leftovers import marked, stop_marked
from muniment.embedded.supervisor import Supervisor
from muniment.errors import Permanent
from muniment.retry import Backoff
from tests.support.supervised import gone, kill_and_wait
from tests.support.waiting import wait_until

SLEEP = "import time; time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
)
WITH_POOL = """
import subprocess, sys, time
pool = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("pool", pool.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    running = Supervisor(tmp_path, tmp_path, backoff=Backoff(0.01, 0.02))
    yield running
    running.hurry()
    running.stop()


def program(
    tmp_path: Path, code: str, name: str = "child", *, rank: int = 0, seconds: float = 10.0, **more: object
) -> Program:
    return Program(
        name,
        (sys.executable, "-c", code),
        tmp_path,
        {**os.environ},
        rank,
        (Step(signal.SIGTERM, seconds),),
        **more,  # type: ignore[arg-type]
    )


def log_of(tmp_path: Path, name: str = "child") -> str:
    path = tmp_path / f"{name}.log"
    return path.read_text() if path.exists() else ""


def test_killed_child_is_started_again(supervisor: Supervisor, tmp_path: Path) -> None:
    """A killed child is restarted as a new process, any number of times after `settle`."""
    supervisor.start(program(tmp_path, SLEEP))
    supervisor.settle()

    for _ in range(5):
        kill_and_wait(supervisor, "child")


def test_child_that_never_starts_is_given_up_with_its_own_words(supervisor: Supervisor, tmp_path: Path) -> None:
    """Before `settle`, a child that repeatedly dies at once is an error that quotes its last error line."""
    never = program(tmp_path, "print('first'); raise SystemExit('Error: no space left')", answers=lambda: False)

    with pytest.raises(Permanent, match="child does not start: exit status 1: Error: no space left") as caught:
        supervisor.start(never)

    assert str(tmp_path / "child.log") in caught.value.hint


def test_child_that_dies_later_during_startup_is_reported(supervisor: Supervisor, tmp_path: Path) -> None:
    """A child without a probe that keeps ending once it was started makes `check` raise."""
    told_to_end = tmp_path / "end"
    code = f"""
import pathlib, time
while not pathlib.Path({str(told_to_end)!r}).exists(): time.sleep(0.01)
raise SystemExit(3)
"""
    supervisor.start(program(tmp_path, code))
    told_to_end.touch()

    def gave_up() -> bool:
        try:
            supervisor.check()
        except Permanent as error:
            return "exit status 3" in str(error)
        return False

    assert wait_until(gave_up, "the supervisor to give up")


def test_program_that_does_not_exist_is_reported(supervisor: Supervisor, tmp_path: Path) -> None:
    """A program that cannot be executed is an error with the reason, not a silent loop."""
    missing = Program("child", (str(tmp_path / "missing"),), tmp_path, answers=lambda: False)

    with pytest.raises(Permanent, match="No such file"):
        supervisor.start(missing)


def test_child_that_does_not_answer_is_killed(supervisor: Supervisor, tmp_path: Path) -> None:
    """A child that runs but never becomes ready is killed after its time and counts as failed."""
    with pytest.raises(Permanent, match=r"no response within 0\.1 s"):
        supervisor.start(program(tmp_path, SLEEP, answers=lambda: False, start_seconds=0.1))

    assert supervisor.pids() == {}


def test_highest_rank_stops_first(supervisor: Supervisor, tmp_path: Path) -> None:
    """A rank is stopped only after all processes of the higher ranks have exited."""
    code = """
import pathlib, signal, sys, time
def stop(*_):
    time.sleep(0.1)
    with open("order", "a") as file: file.write(sys.argv[1] + "\\n")
    sys.exit()
signal.signal(signal.SIGTERM, stop)
pathlib.Path(sys.argv[1] + ".up").touch()
time.sleep(600)
"""
    for name, rank in (("database", 0), ("worker", 2), ("scheduler", 3), ("broker", 1)):
        base = program(tmp_path, code, name, rank=rank)
        argv = (*base.argv, name)
        up = tmp_path / f"{name}.up"
        supervisor.start(Program(name, argv, tmp_path, base.env, rank, base.stop, answers=up.exists))

    supervisor.stop()

    assert (tmp_path / "order").read_text().split() == ["scheduler", "worker", "broker", "database"]


def test_child_that_ignores_the_signal_is_killed_after_its_time(supervisor: Supervisor, tmp_path: Path) -> None:
    """SIGKILL is sent after the timeout of the polite signal, not earlier."""
    supervisor.start(program(tmp_path, STUBBORN, seconds=0.5, answers=lambda: "deaf" in log_of(tmp_path)))
    pid = supervisor.pids()["child"]
    began = time.monotonic()

    supervisor.stop()

    assert time.monotonic() - began >= 0.5
    assert not psutil.pid_exists(pid)


def test_hurry_cuts_the_wait_short(supervisor: Supervisor, tmp_path: Path) -> None:
    """A second stop request does not wait for the timeout."""
    supervisor.start(program(tmp_path, STUBBORN, seconds=600, answers=lambda: "deaf" in log_of(tmp_path)))
    stopping = threading.Thread(target=supervisor.stop)
    stopping.start()

    def hurried() -> bool:
        supervisor.hurry()
        return not stopping.is_alive()

    assert wait_until(hurried, "the supervisor to stop")


@pytest.mark.parametrize("how", ["stop", "crash"])
def test_pool_of_a_child_dies_with_it(supervisor: Supervisor, tmp_path: Path, how: str) -> None:
    """Processes that a child started are killed when it exits, however it exits."""
    supervisor.start(program(tmp_path, WITH_POOL, answers=lambda: "pool" in log_of(tmp_path)))
    supervisor.settle()
    pool = int(log_of(tmp_path).split()[1])

    if how == "stop":
        supervisor.stop()
    else:
        os.kill(supervisor.pids()["child"], signal.SIGKILL)

    wait_until(lambda: gone(pool), "the pool's end")


def test_nothing_starts_after_the_stop(supervisor: Supervisor, tmp_path: Path) -> None:
    """A stopped supervisor refuses further programs."""
    supervisor.stop()

    with pytest.raises(Permanent, match="stopping"):
        supervisor.start(program(tmp_path, SLEEP))


def test_children_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    """SIGKILL to the supervisor's process also kills its children."""
    code = f"""
import sys, time
from pathlib import Path
from muniment.embedded.child import Program
from muniment.embedded.supervisor import Supervisor
supervisor = Supervisor(Path({str(tmp_path)!r}), Path({str(tmp_path)!r}))
supervisor.start(Program("child", (sys.executable, "-c", {SLEEP!r}), Path({str(tmp_path)!r})))
print(supervisor.pids()["child"], flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        child = psutil.Process(int(killed.stdout.readline()))
        wait_until(lambda: SLEEP in child.cmdline(), "the child to have become its program")
        killed.kill()

    wait_until(lambda: gone(child.pid), "the child's end")


def test_only_marked_processes_count_as_left_behind(tmp_path: Path) -> None:
    """Of two equal processes, only the one with the mark of this data folder is found and killed."""
    argv = [sys.executable, "-c", SLEEP]
    with (
        subprocess.Popen(argv, env={**os.environ, MARK: str(tmp_path)}) as ours,
        subprocess.Popen(argv, env={**os.environ, MARK: f"{tmp_path}-other"}) as other,
        subprocess.Popen(argv, cwd=tmp_path) as stranger,
    ):
        try:
            assert [process.pid for process in marked(tmp_path)] == [ours.pid]

            stop_marked(tmp_path)

            assert gone(ours.pid)
            assert (other.poll(), stranger.poll()) == (None, None)
        finally:
            for process in (ours, other, stranger):
                process.kill()


def test_output_goes_to_the_log_even_when_it_is_no_text(tmp_path: Path) -> None:
    """Output of any bytes and any length is stored line by line and never blocks the child."""
    code = "import sys; sys.stdout.buffer.write(b'\\xff\\n' + b'x' * 300_000 + b'\\nlast\\n')"
    child = Child(program(tmp_path, code), tmp_path / "child.log")

    assert child.ended.wait(60)
    assert child.tail()[-1] == "last"
    assert log_of(tmp_path).startswith("\ufffd\n")
    assert child.verdict() == "exit status 0"


def test_environment_of_a_child_is_only_what_was_given(supervisor: Supervisor, tmp_path: Path) -> None:
    """A child does not inherit the supervisor's environment, except for what is passed, and has the mark."""
    code = "import json, os, time; print(json.dumps(dict(os.environ)), flush=True); time.sleep(600)"
    base = program(tmp_path, code)
    supervisor.start(Program("child", base.argv, tmp_path, {"GIVEN": "1"}, answers=lambda: "GIVEN" in log_of(tmp_path)))

    seen = json.loads(log_of(tmp_path).splitlines()[0])

    assert seen.pop("LC_CTYPE", "C.UTF-8") == "C.UTF-8"  # Python sets it itself
    assert seen == {"GIVEN": "1", MARK: str(tmp_path)}
