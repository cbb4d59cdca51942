"""Secure defaults for Flower, as started by `celery -A workers flower` without options.

By default, Flower listens on every address and requires no password. Its pages can cancel
tasks and stop workers, so Muniment sets an address, a user, a password and the columns of
the task list. Flower's command line, `FLOWER_*` variables and `flowerconfig.py` take
precedence.
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

#: Columns of Flower's task list. The default omits `args`, which contains the run and job ids.
TASKS_COLUMNS = "name,args,state,received,started,runtime,worker,uuid"

_PASSWORD_BYTES = 24
_log = log.get(__name__)


def secure(settings: Settings) -> None:
    """Apply Muniment's defaults if this process is Flower.

    Call this when the Celery app is created or configured; it does nothing in workers. Flower sends
    `import_modules` and then reads the app's configuration, after it has parsed its own options
    and before it listens. That is the only time when its options are known and can still be changed.
    """

    def apply(**_: object) -> None:
        if not _is_flower():
            return
        try:
            for told in settings.check_links():
                _log.warning("unprotected link", warning=told)
            _apply_defaults(settings)
        except Misconfigured as error:
            # Celery logs an Exception from a signal handler with a traceback and continues.
            raise SystemExit(f"Flower does not start: {error}. {error.hint}".rstrip()) from error

    import_modules.connect(apply, weak=False)
    # If the app is configured late, the signal has already been sent.
    apply()


def password_file(settings: Settings) -> Path:
    """Return the path of Flower's password file, which may not exist yet."""
    return settings.flower_password_file or settings.data / "flower.password"


def password(settings: Settings) -> Secret:
    """Return Flower's password; create one on first use if none is configured.

    Raises Misconfigured if the password file cannot be read or written, or contains no usable password.
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
        # Not chained: the error contains the file's bytes. Flower can compare ASCII only.
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
        # RFC 7617 §2: the user name ends at the first colon.
        raise Misconfigured("MUNIMENT_FLOWER_USER must be ASCII without a colon")
    options.basic_auth = [f"{settings.flower_user}:{password(settings).reveal()}"]
    _log.info("flower requires a password", user=settings.flower_user, password_file=str(password_file(settings)))


def _unless_chosen(name: str, value: object) -> None:
    # Tornado does not distinguish a default from the same value set explicitly: check the command line and environment.
    option = options._options[name.replace("_", "-")]  # noqa: SLF001 - there is no public accessor
    spellings = tuple(f"{dashes}{word}" for dashes in ("-", "--") for word in {name, name.replace("_", "-")})
    typed = any(argument.partition("=")[0] in spellings for argument in sys.argv)
    if not typed and f"FLOWER_{name.upper()}" not in os.environ and option.value() == option.default:
        setattr(options, name, value)
