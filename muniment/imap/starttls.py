"""What IMAP says before TLS: the greeting, CAPABILITY and STARTTLS (RFC 9051 §6.2.1)."""

from __future__ import annotations

import re
import secrets

from muniment.errors import LoginUnsupported, MunimentError, ProtocolViolation
from muniment.imap.refusal import Status, bye_error, command_error, preauth_error, report_throttling
from muniment.mailserver.server_text import shown
from muniment.mailserver.starttls import Plaintext

_UNTAGGED = re.compile(rb"\* +([!-~]+)(?: (.*))?", re.DOTALL)
_RESULT = re.compile(rb"(OK|NO|BAD)(?: (.*))?", re.IGNORECASE | re.DOTALL)


async def negotiate_starttls(plain: Plaintext) -> None:
    """Read the greeting and make the server begin TLS; nothing that it says here is used afterwards.

    Raises LoginUnsupported if the server does not offer STARTTLS or greets with PREAUTH, and what refusals raise.
    """
    offered = await _greeting(plain)
    if b"STARTTLS" not in offered:
        offered = await _answer(plain, "CAPABILITY")
    if b"STARTTLS" not in offered:
        raise LoginUnsupported(
            f"{plain.peer} does not offer STARTTLS",
            hint="Use --access imap-ssl. If the server offered it until now, something alters the connection.",
        )
    await _answer(plain, "STARTTLS")


async def _greeting(plain: Plaintext) -> set[bytes]:
    """Return the capabilities in the greeting, in upper case."""
    line = await plain.line()
    keyword, status = _untagged(line)
    if keyword == "PREAUTH":
        raise preauth_error(status, plain.peer)
    if keyword in {"NO", "BAD", "BYE"}:
        raise _refused(plain, status)
    if keyword != "OK":
        raise ProtocolViolation(f"{plain.peer}: not an IMAP greeting: {shown(line)!r}")
    return _words(status.argument) if status.code == "CAPABILITY" else set()


async def _answer(plain: Plaintext, command: str) -> set[bytes]:
    """Send a command and return the capabilities in its answer, in upper case.

    The tag is random: an attacker cannot send an answer before the question.
    """
    tag = f"T{secrets.token_hex(6)}".upper().encode()
    await plain.send(b"%b %b\r\n" % (tag, command.encode()), f"answering {command}")
    offered: set[bytes] = set()
    while not (line := await plain.line()).startswith(tag + b" "):
        keyword, status = _untagged(line)
        if keyword == "BYE":
            raise _refused(plain, status)
        if not keyword and line:
            raise ProtocolViolation(f"{plain.peer}: not an IMAP response to {command}: {shown(line)!r}")
        if keyword == "CAPABILITY":
            offered = _words(_UNTAGGED.fullmatch(line)[2] or b"")  # type: ignore[index]  # it has just matched
    match = _RESULT.fullmatch(line[len(tag) + 1 :])
    if match is None:
        raise ProtocolViolation(f"{plain.peer}: not an IMAP response to {command}: {shown(line)!r}")
    status = Status.parse(match[1].decode().upper(), match[2] or b"")
    if not status.ok:
        report_throttling(status, plain.peer, plain.slot)
        raise command_error(status, command, plain.peer)
    return offered or (_words(status.argument) if status.code == "CAPABILITY" else set())


def _untagged(line: bytes) -> tuple[str, Status]:
    """Return the keyword of an untagged response and its text as a status; the keyword is empty for anything else."""
    match = _UNTAGGED.fullmatch(line)
    if match is None:
        return "", Status("", "", b"", "")
    keyword = match[1].decode().upper()
    return keyword, Status.parse(keyword, match[2] or b"")


def _refused(plain: Plaintext, status: Status) -> MunimentError:
    report_throttling(status, plain.peer, plain.slot)
    return bye_error(status, plain.doing, plain.peer)


def _words(capabilities: bytes) -> set[bytes]:
    return set(capabilities.upper().split())
