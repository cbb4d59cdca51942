"""Backup and restore, as docs/how-to/back-up-and-restore.md describes: a fresh machine gets the whole archive back."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from muniment.cli.kit.exit_codes import ExitCode
from muniment.services.profiles.submit_profile import submit_profile
from tests.acceptance.conftest import MakeSource
from tests.support.principal import ADMIN
from tests.support.processes import Finished, run
from tests.support.proof import assert_exact, assert_searchable, assert_settled, begin, finish
from tests.support.system import System, system

Shell = Callable[..., Finished]


def shell(up: System) -> Shell:
    """Return a function that runs `muniment ARGUMENTS…` beside a running `up`."""
    return lambda *arguments: run(*map(str, arguments), environ=up.client)


# First: a restore refuses a non-empty installation before it looks at the file.
def test_mistakes_have_an_answer(running: System, tmp_path: Path) -> None:
    """No backup is overwritten or left incomplete, and an invalid file restores nothing."""
    command, file = shell(running), tmp_path / "muniment.dump"
    file.write_text("precious")

    assert (command("backup", "--to", file).code, file.read_text()) == (ExitCode.CONFLICT, "precious")
    nowhere = command("backup", "--to", tmp_path / "no" / "x.dump")
    assert nowhere.code == ExitCode.MISCONFIGURED
    assert "No such file or directory" in nowhere.stderr
    assert command("restore", tmp_path / "missing").code == ExitCode.NOT_FOUND
    broken = command("restore", file)
    assert broken.code not in {ExitCode.OK, ExitCode.CONFLICT}
    assert "pg_restore" in broken.stderr
    assert "Traceback" not in broken.stderr
    assert command("status").code == ExitCode.OK
    assert sorted(path.name for path in tmp_path.iterdir()) == ["muniment.dump"]


async def test_backup_is_restored_on_a_fresh_machine(running: System, make_source: MakeSource, tmp_path: Path) -> None:
    """A backup taken during a run, restored elsewhere, verifies; the next run completes the archive exactly."""
    source, file = make_source(4, 60), tmp_path / "muniment.dump"
    async with running.resources() as resources:
        await submit_profile(ADMIN, resources, source.profile("everybody"))
        await finish(resources, await begin(resources, "everybody"))
        before = source.messages
        source.grow(60)
        run_id = await begin(resources, "everybody")
        done = shell(running)("backup", "--to", file)
        assert done.code == ExitCode.OK, done.stderr
        await finish(resources, run_id)
    assert file.stat().st_mode & 0o777 == 0o600
    assert f"keep a copy of {running.settings.key_file} in another place" in done.stdout

    with system() as fresh:
        fresh.data.mkdir(parents=True)
        shutil.copy(running.settings.key_file, fresh.settings.key_file)
        fresh.start()
        command = shell(fresh)
        restored = command("restore", file)
        assert restored.code == ExitCode.OK, restored.stderr
        verified = command("verify")
        assert verified.code == ExitCode.OK
        assert "no damage found" in verified.stdout
        async with fresh.resources() as resources:
            # The restored run is still open; whatever it does, the next one proves everything.
            await finish(resources, await begin(resources, "everybody"))
            await finish(resources, await begin(resources, "everybody"))
            await assert_settled(resources)
            await assert_searchable(resources, source)
            await assert_exact(resources, source)
        assert source.messages > before

        again = command("restore", file)
        assert again.code == ExitCode.CONFLICT
        assert "this installation is not empty" in again.stderr
