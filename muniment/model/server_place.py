"""Where a mail server is: `host`, `host:port`, an IP address, or an IPv6 address in brackets with a port."""

from __future__ import annotations

import re
from ipaddress import IPv6Address

import idna

from muniment.errors import Misconfigured

_HINT = "Expected a name such as mail.example.com, or an IP address; a port may follow, as in mail.example.com:1143."
_BRACKETED = re.compile(r"\[([0-9A-Fa-f:.%\w-]+)\](?::(\d{1,5}))?")
_NAMED = re.compile(r"([^\s\x00-\x20\x7f:/@\[\]?#\\,;]+?)\.?(?::(\d{1,5}))?")


def parse_place(text: str) -> tuple[str, int]:
    """Return host and port of a place; the port is 0 if it names none.

    An internationalised name becomes A-labels (IDNA 2008, RFC 5891), which is what DNS and certificates contain.
    Misconfigured if the text is no host.
    """
    given = text.strip()
    if given.count(":") > 1 and not given.startswith("["):
        given = f"[{given}]"
    if bracketed := _BRACKETED.fullmatch(given):
        return _address(bracketed[1], text), _port(bracketed[2], text)
    named = _NAMED.fullmatch(given)
    if named is None:
        raise Misconfigured(f"{text!r} is not the name of a mail server", hint=_HINT)
    return _ascii_name(named[1], text), _port(named[2], text)


def _address(address: str, text: str) -> str:
    try:
        IPv6Address(address)
    except ValueError as error:
        raise Misconfigured(f"{text!r} is not an IPv6 address", hint=_HINT) from error
    return address


def _port(port: str | None, text: str) -> int:
    if port is None:
        return 0
    if not 0 < int(port) < 65536:
        raise Misconfigured(f"{text!r} names no valid port", hint="A port is a number from 1 to 65535.")
    return int(port)


def _ascii_name(host: str, text: str) -> str:
    if host.isascii():
        return host  # also names that IDNA forbids, such as those with an underscore
    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise Misconfigured(f"{text!r} is not an internationalised domain name: {error}", hint=_HINT) from error
