"""pg_dump and pg_restore get the password by a file, and protect the link as Muniment does."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from muniment.db.dump import dump
from muniment.errors import Permanent
from muniment.secrecy import Secret

PASSWORD = r"hunter2:with\colons and blanks "
QUOTED = "hunter2%3Awith%5Ccolons%20and%20blanks%20"
REMOTE = "db.example.com"

#: A program in the place of pg_dump, which writes down what it was given.
SPY = f"""#!{sys.executable} -I
import json, os, stat, sys
files = {{name: os.environ[name] for name in ("PGPASSFILE", "PGSERVICEFILE") if name in os.environ}}
json.dump({{
    "arguments": open("/proc/self/cmdline").read().split(chr(0)),
    "environ": dict(os.environ),
    "files": {{name: open(path).read() for name, path in files.items()}},
    "modes": [stat.S_IMODE(os.stat(path).st_mode) for path in files.values()],
    "regular": all(stat.S_ISREG(os.stat(path).st_mode) for path in files.values()),
}}, sys.stdout)
"""


@pytest.fixture
def spy(tmp_path: Path) -> Path:
    """Return such a program."""
    path = tmp_path / "pg_dump"
    path.write_text(SPY)
    path.chmod(0o755)
    return path


async def told(spy: Path, url: str, **options: bool) -> dict[str, Any]:
    """Return what the program is given."""
    file = spy.with_name("out.dump")
    file.unlink(missing_ok=True)
    await dump(spy, Secret(url), file, **options)
    found: dict[str, Any] = json.loads(file.read_text())
    return found


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://muniment:{QUOTED}@{REMOTE}:5433/m",
        f"postgresql://muniment@{REMOTE}/m?password={QUOTED}",
        f"postgresql://{REMOTE}/m?user=muniment&password={QUOTED}&sslmode=verify-full",
        f"postgresql:///m?host=/run/pg&user=muniment&password={QUOTED}&passfile=/elsewhere",
        f"postgresql://muniment:{QUOTED}@{REMOTE}/m?sslkey=/k&sslpassword=hunter2-of-the-key",
    ],
    ids=["in the login", "as an option", "with the user", "on a socket", "with a passphrase"],
)
async def test_no_secret_is_an_argument_or_in_the_environment(
    spy: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the URL gives the password, it is in a private file without a name, escaped as libpq wants it."""
    monkeypatch.setenv("MUNIMENT_DATABASE_URL", url)
    monkeypatch.setenv("MUNIMENT_REDIS_URL", "redis://:hunter2@localhost")
    found = await told(spy, url)

    assert "hunter2" not in f"{found['arguments']}{found['environ']}"
    assert found["files"]["PGPASSFILE"] == r"*:*:*:*:hunter2\:with\\colons and blanks " + "\n"
    assert ("hunter2-of-the-key" in found["files"].get("PGSERVICEFILE", "")) is ("sslpassword" in url)
    assert set(found["modes"]) == {0o600}
    assert found["regular"]
    assert any("muniment" in argument or "user=muniment" in argument for argument in found["arguments"])


async def test_a_password_of_the_environment_is_passed_on_as_a_file(spy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PGPASSWORD works for Muniment, so it does for its backup."""
    monkeypatch.setenv("PGPASSWORD", "hunter2")
    found = await told(spy, "postgresql://muniment@localhost/m")

    assert "hunter2" not in f"{found['arguments']}{found['environ']}"
    assert found["files"] == {"PGPASSFILE": "*:*:*:*:hunter2\n"}


async def test_nothing_is_left_open(spy: Path) -> None:
    """The file is gone when the program has ended, also if it failed."""
    await told(spy, f"postgresql://muniment:{QUOTED}@localhost/m")
    spy.write_text("#!/bin/sh\nexit 3\n")
    with pytest.raises(Permanent):
        await told(spy, f"postgresql://muniment:{QUOTED}@localhost/m")

    held = [path for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    assert [path for path in held if "PGPASSFILE" in os.path.realpath(path)] == []


@pytest.mark.parametrize(
    ("url", "unencrypted", "mode", "auth"),
    [
        (f"postgresql://u:p@{REMOTE}/m", False, "verify-full", None),
        (f"postgresql://u:p@{REMOTE}/m", True, None, None),
        (f"postgresql://u:p@{REMOTE}/m?sslmode=require", False, None, "!password"),
        (f"postgresql://u:p@{REMOTE}/m?sslmode=verify-full", False, None, None),
        ("postgresql://u:p@localhost/m", False, None, "!password"),
    ],
)
async def test_the_link_is_protected_as_elsewhere(
    spy: Path, url: str, unencrypted: bool, mode: str | None, auth: str | None
) -> None:
    """libpq prefers TLS without verification, and answers who asks for the password: both are changed."""
    environ = (await told(spy, url, unencrypted_links=unencrypted))["environ"]

    assert (environ.get("PGSSLMODE"), environ.get("PGREQUIREAUTH")) == (mode, auth)
    assert ("PGSSLROOTCERT" in environ) is (mode is not None)
