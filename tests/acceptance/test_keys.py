"""`muniment key` and changes of a profile's server, as an administrator types them beside a running system."""

from __future__ import annotations

from pathlib import Path

from muniment.cli.kit.exit_codes import ExitCode
from muniment.services.profiles.submit_profile import submit_profile
from tests.acceptance.conftest import MakeSource
from tests.support.principal import ADMIN
from tests.support.shell import Shell
from tests.support.system import System


async def test_a_rotation_needs_no_restart(
    running: System, shell: Shell, make_source: MakeSource, tmp_path: Path
) -> None:
    """Workers that read the key file before the rotation log in after it; the old key is gone from the file."""
    source = make_source(2, 3)
    async with running.resources() as resources:
        await submit_profile(ADMIN, resources, source.profile("office"))
    shell.ok("profile", "run", "office", "--wait")
    [before] = shell.json("key", "show")["keys"]
    told = shell.ok("key", "rotate")
    [after] = shell.json("key", "show")["keys"]

    assert before["id"] != after["id"]
    assert (before["passwords"], after["passwords"], after["active"], after["in_key_file"]) == (1, 1, True, True)
    assert f"key {after['id']} is active; 1 password encrypted again" in told
    assert f": {before['id']}" in told
    shell.ok("profile", "run", "office", "--wait")
    assert shell.json("status")["unbound_passwords"] == 0
    assert "every password is bound" in shell.ok("key", "bind")
    assert {"key rotated"} <= {entry["action"] for entry in shell.json("audit")}


async def test_another_server_needs_the_password(
    running: System, shell: Shell, make_source: MakeSource, tmp_path: Path
) -> None:
    """Without it, `profile edit` says what to give; with it, the profile is changed."""
    async with running.resources() as resources:
        await submit_profile(ADMIN, resources, make_source(1, 0).profile("moving"))
    refused = shell.run("profile", "edit", "moving", "--set", "server.host=mail2.example.com")
    password = tmp_path / "password"
    password.write_text("another\n")
    password.chmod(0o600)

    assert refused.code == ExitCode.MISCONFIGURED
    assert "only for the server, port and protection" in refused.stderr
    assert "--password-file" in refused.stderr
    assert shell.json("profile", "export", "moving")["server"]["host"] != "mail2.example.com"
    shell.ok("profile", "edit", "moving", "--set", "server.host=mail2.example.com", "--password-file", str(password))
    assert shell.json("profile", "export", "moving")["server"]["host"] == "mail2.example.com"
