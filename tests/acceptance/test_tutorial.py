"""The tutorial's commands produce the output shown on its page."""

from __future__ import annotations

import itertools
import json
import re
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from muniment.cli.kit.exit_codes import ExitCode
from muniment.demo.dovecot import find_dovecot
from muniment.demo.ports import free_port
from muniment.errors import Misconfigured
from tests.support.missing import missing
from tests.support.processes import Running, run
from tests.support.waiting import wait_until
from tools.mail_server import TLS_PORT, serving

pytestmark = pytest.mark.timeout(600)

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorial" / "first-archive.md"

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: Varies from run to run: times, durations, rates, process ids, and names of result pages.
_VARYING = re.compile(
    r"\d{4}-\d\d-\d\d( \d\d:\d\d(:\d\d)? UTC)?|\(\d+ days\)|in \d+ ms|[\d,.]+ (msg|messages|MB)/s|duration +.*|"
    r"--page \S+|@\S+|\d+\.\d s ago"
)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield the path of the tutorial's folder, which does not exist yet, where Dovecot's account has access."""
    try:
        find_dovecot()
    except Misconfigured as error:
        missing(f"{error}. {error.hint}")
    with tempfile.TemporaryDirectory(prefix="muniment-test-") as parent:
        Path(parent).chmod(0o755)
        yield Path(parent) / "first-archive"


def test_every_command_prints_what_the_page_shows(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command succeeds and prints every line of output that the page shows."""
    tls_port = free_port()
    paths = {name: str(folder / name) for name in ("master.password", "addresses.txt", "anna")}
    with serving(folder, free_port(), tls_port) as server:
        environ = {"MUNIMENT_DATA": str(folder / "data"), "SSL_CERT_FILE": str(server.certificate)}
        served = capsys.readouterr().out
        with Running("up", environ=environ) as up:
            up.wait_for_line("ready", timeout=60)
            missing_lines: list[str] = []
            for command, shown in steps():
                words = [paths.get(word, word.replace(str(TLS_PORT), str(tls_port))) for word in shlex.split(command)]
                if words[1] == "search":
                    wait_until(lambda: coverage(environ) == 1, "everything is indexed", seconds=60)
                done = run(*words[1:], environ=environ)
                output = (
                    (done.stdout + done.stderr).replace(str(tls_port), str(TLS_PORT)).replace(paths["anna"], "anna")
                )
                printed = {comparable(line) for line in output.splitlines()}

                assert done.code == ExitCode.OK, done.stderr
                missing_lines += [line for line in shown.splitlines() if differs(line, printed)]
            assert up.interrupt(timeout=60) == ExitCode.OK
    assert missing_lines == []
    assert "12 mailboxes with 2,040 messages on 127.0.0.1:10993 (TLS)" in PAGE.read_text()
    assert f"12 mailboxes with 2,040 messages on 127.0.0.1:{tls_port} (TLS)" in served


def steps() -> Iterator[tuple[str, str]]:
    """Yield the page's `muniment` commands, each with the output shown below it."""
    blocks = [(language, body.replace("\\\n", " ")) for language, body in _BLOCK.findall(PAGE.read_text())]
    for (language, body), (_, shown) in itertools.pairwise(blocks):
        if language == "sh" and body.startswith("muniment "):
            yield body, shown


def comparable(line: str) -> str:
    """Return a line without the parts that vary from run to run, including the blanks that align columns."""
    return " ".join(_VARYING.sub("…", line).split())


def differs(line: str, printed: set[str]) -> bool:
    """Return whether no output contains a line; the progress of a run at the time of the command is ignored."""
    return " running: " not in line and comparable(line) not in printed


def coverage(environ: dict[str, str]) -> float:
    """Return the share of the messages that is indexed."""
    return float(json.loads(run("status", "--json", environ=environ).stdout)["index"]["coverage"])
