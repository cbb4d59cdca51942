"""Flower, closed by default: what `celery -A workers flower` gets without any option.

Out of the box Flower listens on every address and asks nobody for a password. Its page
can cancel tasks and stop workers, so Muniment gives it an address, a user, a password and
a list of tasks that shows their ids. Whatever the operator says on Flower's command line,
in `FLOWER_*` variables or in `flowerconfig.py` wins.
"""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

import click
from celery.signals import import_modules
from tornado.options import options

from muniment import log
from muniment.errors import Misconfigured
from muniment.secrecy import Secret, create_private_file
from muniment.settings import Settings

#: Columns of Flower's task list. Its default leaves out `args`, where run and job are.
TASKS_COLUMNS = "name,args,state,received,started,runtime,worker,uuid"

_PASSWORD_BYTES = 24
_log = log.get(__name__)


def secure(settings: Settings) -> None:
    """Give Flower Muniment's defaults when this process turns out to be Flower.

    Call it when the Celery app is made or configured; in workers it does nothing. Flower sends
    `import_modules`, and then reads the app's configuration, after it read all its own options
    and before it listens: only then are its options known and can still be changed.
    """

    def apply(**_: object) -> None:
        if not _is_flower():
            return
        try:
            _apply_defaults(settings)
        except Misconfigured as error:
            # Celery only logs an Exception of a signal handler, with a traceback.
            raise SystemExit(f"Flower does not start: {error}. {error.hint}".rstrip()) from error

    import_modules.connect(apply, weak=False)
    # An app that is configured late calls this when the signal is already gone.
    apply()


def password_file(settings: Settings) -> Path:
    """Return the file that holds Flower's password, made or not yet."""
    return settings.flower_password_file or settings.data / "flower.password"


def password(settings: Settings) -> Secret:
    """Return Flower's password; one that is not configured is made on first use.

    Misconfigured when the password's file cannot be read or written or holds no usable password.
    """
    path = password_file(settings)
    try:
        if settings.flower_password_file is None and not path.exists():
            create_private_file(path, secrets.token_urlsafe(_PASSWORD_BYTES).encode() + b"\n")
        text = path.read_text("ascii").strip()
    except OSError as error:
        raise Misconfigured(
            f"cannot use the password file {path}: {error.strerror}",
            hint="MUNIMENT_FLOWER_PASSWORD_FILE must name a file that this process can read.",
        ) from error
    except UnicodeDecodeError:
        # Not chained: the error holds the file's bytes. Flower cannot compare other characters.
        raise Misconfigured(f"the password in {path} must consist of ASCII characters") from None
    if not text:
        raise Misconfigured(f"the password file {path} is empty")
    return Secret(text)


def _is_flower() -> bool:
    context = click.get_current_context(silent=True)
    return context is not None and context.info_name == "flower"


def _apply_defaults(settings: Settings) -> None:
    _unless_chosen("address", settings.flower_address)
    _unless_chosen("port", settings.flower_port)
    _unless_chosen("tasks_columns", TASKS_COLUMNS)
    if options.basic_auth or options.auth:
        return
    if ":" in settings.flower_user or not settings.flower_user.isascii():
        # RFC 7617 §2: everything before the first colon is the user.
        raise Misconfigured("MUNIMENT_FLOWER_USER must be ASCII without a colon")
    options.basic_auth = [f"{settings.flower_user}:{password(settings).reveal()}"]
    _log.info("flower asks for a password", user=settings.flower_user, password_file=str(password_file(settings)))


def _unless_chosen(name: str, value: object) -> None:
    # Tornado does not tell a default from the same value chosen by hand: look where a hand would have written it.
    option = options._options[name.replace("_", "-")]  # noqa: SLF001 - there is no public way to ask
    spellings = tuple(f"{dashes}{word}" for dashes in ("-", "--") for word in {name, name.replace("_", "-")})
    typed = any(argument.partition("=")[0] in spellings for argument in sys.argv)
    if not typed and f"FLOWER_{name.upper()}" not in os.environ and option.value() == option.default:
        setattr(options, name, value)
