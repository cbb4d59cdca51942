"""`muniment key`: the key that encrypts stored passwords."""

from __future__ import annotations

from collections.abc import Mapping

import click

from muniment.cli.kit.connect import call_with_database_only, settings
from muniment.cli.kit.output import plural, print_json
from muniment.errors import Conflict, Misconfigured
from muniment.sealing import KeyRing
from muniment.secrecy import create_key_file
from muniment.services.operating.reset_key import reset_key
from muniment.services.operating.rotate_key import key_use, prepare_key, rotate_key
from muniment.services.operating.seal_again import bind_passwords
from muniment.shapes.keys import key_use_shape


@click.group()
def key() -> None:
    """Create, rotate or reset the key that encrypts stored passwords. All processes use the same key file."""


@key.command("create")
def create() -> None:
    """Create the key file. Do this once per installation, then copy the file to every machine that runs a process.

    `muniment up` creates the key file automatically. Keep a copy in a different place than the database backups.
    """
    path = settings().key_file
    if path.exists():
        raise Conflict(f"{path} already exists", hint="Muniment uses this file; every process needs the same one.")
    try:
        create_key_file(path)
    except OSError as error:
        raise Misconfigured(f"cannot write {path}: {error.strerror}") from error
    click.echo(f"created {path}")


@key.command("show")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(as_json: bool) -> None:
    """Show the ids of the keys in the key file, newest first, and how many stored passwords each of them encrypts."""
    ring = KeyRing.from_key_file(settings().key_file)
    use = call_with_database_only(key_use, ring)
    known = [key.id for key in ring.keys]
    lacking = sorted(set(use.values) - {*known, ""})
    if as_json:
        print_json(key_use_shape(use, known))
        return
    for key_id in (*known, *lacking):
        note = "active" if key_id == use.active else "not in the key file" if key_id in lacking else ""
        click.echo(f"{key_id}  {plural(use.values.get(key_id, 0), 'password')}{f'  {note}' if note else ''}")
    if unbound := use.values.get("", 0):
        click.echo(f"{plural(unbound, 'password')} not bound to their place: run `muniment key bind`")


@key.command("bind")
def bind() -> None:
    """Bind the passwords that an older version stored to their profile, mailbox, server, port and protection.

    Run this once after an upgrade, when every process runs the new version. From then on, an unbound password is
    refused. `muniment up` with its own PostgreSQL does it automatically.
    """
    done = call_with_database_only(bind_passwords, KeyRing.from_key_file(settings().key_file))
    click.echo(f"{plural(done.values, 'password')} bound" if done.values else "every password is bound to its place")
    _report(done.unreadable)


@key.command("rotate")
@click.option("--prepare", is_flag=True, help="Only add a new key to the key file, to copy that to other machines.")
def rotate(prepare: bool) -> None:
    """Encrypt every stored password with a new key, and remove the old key from the key file.

    Processes that run meanwhile read the key file again by themselves. If several machines have a copy of the file,
    first run `key rotate --prepare` on one of them and copy the file to the others; then run `key rotate`, and copy it
    once more. An interrupted rotation continues when you repeat the command. Backups made before need the old key: keep
    a copy of the old file with them.
    """
    ring = KeyRing.from_key_file(settings().key_file)
    if prepare:
        made = call_with_database_only(prepare_key, ring)
        click.echo(f"key {made.key} is prepared in {ring.path}")
        return
    done = call_with_database_only(rotate_key, ring)
    click.echo(f"key {done.key} is active; {plural(done.values, 'password')} encrypted again")
    if done.removed:
        click.echo(f"removed from {ring.path}: {', '.join(done.removed)}")
    _report(done.unreadable)


def _report(unreadable: Mapping[str, str]) -> None:
    """Raise Misconfigured if some passwords could not be decrypted where they are stored."""
    if unreadable:
        lines = [f"{what}: {reason}" for what, reason in unreadable.items()]
        raise Misconfigured(
            "\n".join(["these passwords stay as they are, because they cannot be decrypted:", *lines]),
            hint="Set each of them again with `profile edit`, or remove the profile; then repeat this command.",
        )


@key.command("reset")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def reset(yes: bool) -> None:
    """Continue with the current key file after the original was lost. Deletes all stored passwords.

    Profiles are kept; set the password of each again with `muniment profile add … --replace`. Archived mail is not
    encrypted with this key and stays readable.
    """
    ring = KeyRing.from_key_file(settings().key_file)
    if not yes:
        click.confirm("Delete all stored passwords?", abort=True, err=True)

    call_with_database_only(reset_key, ring)
    click.echo("all stored passwords are deleted; set a new one for each profile (see `muniment profile list`)")
