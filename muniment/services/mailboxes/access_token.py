"""Access tokens for XOAUTH2, read from a file or from the output of a command that the administrator provides."""

from __future__ import annotations

import asyncio
import os
import shlex
from contextlib import suppress
from pathlib import Path

from muniment.errors import Misconfigured, ServerUnavailable
from muniment.secrecy import Secret
from muniment.settings import without_settings

_COMMAND_SECONDS = 30.0
_FILE, _COMMAND = "file", "command"


def token_file(path: Path) -> Secret:
    """Return the stored form of a token file; workers read the file again for each batch of slices."""
    return Secret(f"{_FILE}:{path.absolute()}")


def token_command(command: str) -> Secret:
    """Return the stored form of a token command; Misconfigured if it cannot be split into words."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise Misconfigured(f"the token command cannot be read: {error}", hint="Close all quotes.") from error
    if not words:
        raise Misconfigured("the token command is empty")
    return Secret(f"{_COMMAND}:{command}")


def is_source(text: Secret) -> bool:
    """Return whether a secret was made by `token_file` or `token_command`, and is not a password."""
    return text.reveal().startswith((f"{_FILE}:", f"{_COMMAND}:"))


def _named(command: str) -> str:
    """Return how an error names the command: only the program, because arguments may be secret."""
    return f"the token command {shlex.split(command)[0]!r}"


async def access_token(source: Secret) -> Secret:
    """Return a token from a source that `token_file` or `token_command` made.

    Raises Misconfigured if there is no token, and ServerUnavailable if the command fails: the token issuer may be down.
    """
    kind, _, what = source.reveal().partition(":")
    if kind == _FILE:
        try:
            token = await asyncio.to_thread(Path(what).read_text)
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise Misconfigured(
                f"cannot read the token file {what}: {reason}", hint="Every archive worker needs the file."
            ) from None
        origin = f"the token file {what}"
    elif kind == _COMMAND:
        token, origin = await _output(what), _named(what)
    else:
        raise Misconfigured("the profile has no source of access tokens", hint="Give --token-file or --token-command.")
    if not token.strip():
        raise Misconfigured(f"{origin} gave no access token")
    return Secret(token.strip())


async def _output(command: str) -> str:
    try:
        process = await asyncio.create_subprocess_exec(
            *shlex.split(command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=without_settings(os.environ),
        )
    except OSError as error:
        raise Misconfigured(
            f"cannot run {_named(command)}: {error.strerror}", hint="Every archive worker needs it."
        ) from error
    try:
        async with asyncio.timeout(_COMMAND_SECONDS):
            output, errors = await process.communicate()
    except TimeoutError as error:
        raise ServerUnavailable(f"{_named(command)} took more than {_COMMAND_SECONDS:.0f} s") from error
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode:
        said = errors.decode(errors="replace").strip().splitlines()
        reason = f": {said[-1]}" if said else ""
        raise ServerUnavailable(f"{_named(command)} ended with exit code {process.returncode}{reason}")
    return output.decode(errors="replace")
