"""Refusals: maps NO, BAD and BYE responses to errors (RFC 3501 §7.1, RFC 5530)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from muniment.errors import (
    CommandRefused,
    LoginRefused,
    LoginUnsupported,
    MunimentError,
    ServerThrottled,
    ServerUnavailable,
)
from muniment.mailserver.gate import ConnectionSlot
from muniment.mailserver.redaction import NOTHING_SECRET, Redactor
from muniment.mailserver.server_text import shown

_MAX_TEXT = 400
_CODE = re.compile(rb"\[([^\] ]+)(?: ([^\]]*+))?\] ?")

# OVERQUOTA: a client that only reads can exceed only the quota of commands and bytes ("Account exceeded command
# or bandwidth limits", Gmail).
_THROTTLED = {"LIMIT", "THROTTLED", "INUSE", "UNAVAILABLE", "OVERQUOTA"}
_LOGIN = {"AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED", "EXPIRED", "CONTACTADMIN"}
_TROUBLE = {"SERVERBUG", "UNAVAILABLE"}
_KNOWN = _THROTTLED | _LOGIN | _TROUBLE | {"PRIVACYREQUIRED", "EXPUNGEISSUED", "CAPABILITY", "ALERT", "WEBALERT"}
_TOO_MANY = {"LIMIT", "INUSE"}
_ALERTS = {"ALERT", "WEBALERT"}
_WORDLESS = {"", *_ALERTS}  # codes without a meaning of their own: the text decides
# Dovecot, Cyrus, Courier, Exchange, Gmail, Zimbra.
_THROTTLED_TEXT = re.compile(
    r"too many|maximum number of|connection limit|rate limit|throttl|bandwidth limit|exceeded .*limit|slow down",
    re.IGNORECASE,
)
_TOO_MANY_TEXT = re.compile(r"too many|maximum number of|connection limit|connections", re.IGNORECASE)
_SUGGESTED = re.compile(r"Suggested Backoff Time: (\d{1,9}) milliseconds", re.IGNORECASE)  # Exchange
_TRANSIENT_TEXT = re.compile(
    r"temporar|try again|\bbusy\b|internal (?:server )?error|timed? ?out|shutting down|not available|unavailable|"
    r"authenticated but not connected",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Status:
    """A status response: `result` is OK, NO, BAD, BYE or PREAUTH, `code` the response code in upper case."""

    result: str
    code: str
    argument: bytes = field(repr=False)
    text: str

    @classmethod
    def parse(cls, result: str, rest: bytes, redactor: Redactor = NOTHING_SECRET) -> Status:
        """Parse the text after the result; displayable fields have secrets redacted."""
        match = _CODE.match(rest)
        if match is None or shown(match[1]).upper() not in _KNOWN:  # a known code cannot contain a secret
            rest = redactor.hide(rest)
            match = _CODE.match(rest)
        if match is None:
            return cls(result, "", b"", shown(rest, _MAX_TEXT))
        text = shown(redactor.hide(rest[match.end() :]), _MAX_TEXT)
        return cls(result, shown(match[1]).upper(), match[2] or b"", text)

    @property
    def ok(self) -> bool:
        """Whether the command succeeded."""
        return self.result == "OK"

    @property
    def alert(self) -> str:
        """The text of an alert, which must reach a person (RFC 9051 §7.1); empty if this is none.

        WEBALERT (Gmail) comes with the address of a page on which the owner of the account has to act.
        """
        if self.code not in _ALERTS:
            return ""
        page = shown(self.argument, _MAX_TEXT)
        return " ".join(filter(None, (self.text, page)))

    def __str__(self) -> str:
        if self.code == "WEBALERT":
            return f"{self.result} [{self.code}] {self.alert}"
        code = f"[{self.code}] " if self.code else ""
        return f"{self.result} {code}{self.text}".strip()


def is_throttle(status: Status) -> bool:
    """Return whether the server throttles, judged by the code or the text."""
    return status.code in _THROTTLED or (status.code in _WORDLESS and bool(_THROTTLED_TEXT.search(status.text)))


def is_too_many(status: Status) -> bool:
    """Return whether a throttling server limits connections rather than commands or bytes."""
    return status.code in _TOO_MANY or (status.code in _WORDLESS and bool(_TOO_MANY_TEXT.search(status.text)))


def suggested_seconds(status: Status) -> float:
    """Return the pause that the server suggests, 0 if it suggests none."""
    match = _SUGGESTED.search(status.text)
    return int(match[1]) / 1000 if match else 0.0


def is_outage(status: Status) -> bool:
    """Return whether the server reports a temporary failure of its own, judged by the code or the text."""
    return status.code in _TROUBLE or (status.code in _WORDLESS and bool(_TRANSIENT_TEXT.search(status.text)))


def is_misunderstood(status: Status) -> bool:
    """Return whether the server may not understand the command, so another form is worth a try."""
    return status.result == "BAD" and not is_throttle(status) and not is_outage(status)


def command_error(status: Status, command: str, peer: str) -> MunimentError:
    """Return the error for a command that the server answered with NO or BAD."""
    if is_outage(status) and not is_throttle(status):
        return ServerUnavailable(f"{peer} cannot answer {command} now: {status}")
    return message_error(status, command, peer)


def message_error(status: Status, command: str, peer: str) -> MunimentError:
    """Return the error for a FETCH that may have failed because of one bad message.

    Servers report an internal error in that case, too: it does not prove an outage, and a retry does not help.
    """
    if is_throttle(status):
        return ServerThrottled(f"{peer} throttles {command}: {status}")
    return CommandRefused(f"{peer} refused {command}: {status}")


def login_error(status: Status, user: str, peer: str, *, privileged: bool = False) -> MunimentError:
    """Return the error for a login that the server answered with NO or BAD."""
    if status.code == "PRIVACYREQUIRED":
        return LoginUnsupported(f"{peer} allows no login without TLS: {status}", hint="Use --access imap-tls.")
    if is_throttle(status):
        return ServerThrottled(f"{peer} throttles the login of {user}: {status}")
    if status.code not in _LOGIN and (status.code == "SERVERBUG" or _TRANSIENT_TEXT.search(status.text)):
        return ServerUnavailable(f"{peer} cannot log in {user} now: {status}")
    hint = "Check that this mailbox exists, and the privileged user's name, password and permission to open it."
    return LoginRefused(f"{peer} refused the login of {user}: {status}", hint=hint if privileged else None)


def bye_error(status: Status, doing: str, peer: str) -> MunimentError:
    """Return the error for a connection that the server closed with BYE."""
    if is_throttle(status):
        return ServerThrottled(f"{peer} closed the connection ({doing}): {status}")
    if status.code in _LOGIN:
        return LoginRefused(f"{peer} closed the connection ({doing}): {status}")
    return ServerUnavailable(f"{peer} closed the connection ({doing}): {status}")


def preauth_error(status: Status, peer: str) -> LoginUnsupported:
    """Return the error for a PREAUTH greeting; before STARTTLS it would also prevent TLS (RFC 9051 §7.1.4)."""
    return LoginUnsupported(
        f"{peer} greets with {status}: the connection is logged in without credentials",
        hint="Muniment must know whose mailbox it reads. Use a port that requires a login.",
    )


def report_throttling(status: Status, peer: str, slot: ConnectionSlot) -> None:
    """Tell the connection slot if the server throttles."""
    if is_throttle(status):
        slot.report_throttling(f"{peer} said {status}", too_many=is_too_many(status), seconds=suggested_seconds(status))
