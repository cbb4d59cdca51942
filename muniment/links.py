"""Links to PostgreSQL, Redis and OpenSearch: whether somebody on the way can read or change what they carry.

A link within this machine (a loopback address or a Unix socket) needs no protection. Any other needs TLS with a
verified certificate; without it, no password is sent in clear text unless MUNIMENT_UNENCRYPTED_LINKS permits that.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from muniment.errors import Misconfigured
from muniment.secrecy import Secret

#: Values of sslmode with which libpq and asyncpg verify the server's certificate.
VERIFYING = frozenset({"verify-ca", "verify-full"})

_ALLOW = "If nobody else can reach that network, set MUNIMENT_UNENCRYPTED_LINKS=true."


@dataclass(frozen=True)
class Link:
    """A link to one server, or to several for failover.

    `problem`: why it is not protected; empty if it is. `tells_password`: the password crosses it as it is.
    """

    server: str
    hosts: tuple[str, ...]
    problem: str = ""
    tells_password: bool = False
    advice: str = ""

    @property
    def warning(self) -> str:
        """What to tell an operator about an unprotected link."""
        return (
            f"the link to {self.server} at {', '.join(self.hosts)} is not protected: {self.problem}; whoever controls "
            "the network can read and change mail and passwords"
        )


def is_local(host: str) -> bool:
    """Whether a host is this machine, named so that no resolver can say otherwise; an empty one and a path are."""
    name = host.strip("[]").lower()
    if not name or name.startswith("/") or name in {"localhost", "localhost.", "ip6-localhost"}:
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def database_link(url: Secret, *, unencrypted: bool, environ: Mapping[str, str] = os.environ) -> Link:
    """Return the link to PostgreSQL. SCRAM sends no password as it is; who demands one is refused (`db.careful`)."""
    parts, options = _split(url)
    hosts = _hosts(parts.netloc) or [h for value in options.get("host", []) for h in value.split(",")]
    hosts = hosts or environ.get("PGHOST", "").split(",")
    mode = options.get("sslmode", [environ.get("PGSSLMODE", "")])[-1]
    if all(map(is_local, hosts)) or mode in VERIFYING or (not mode and not unencrypted):
        return Link("PostgreSQL", tuple(hosts))
    problem = f"sslmode={mode} does not verify the server" if mode else "TLS is not required"
    advice = "Use ?sslmode=verify-full&sslrootcert=FILE in MUNIMENT_DATABASE_URL."
    return Link("PostgreSQL", tuple(hosts), problem, advice=advice)


def wants_verified_tls(url: Secret, *, unencrypted: bool, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether TLS is verified by default: the URL of PostgreSQL does not choose, and leads beyond this machine."""
    _, options = _split(url)
    link = database_link(url, unencrypted=unencrypted, environ=environ)
    is_chosen = "sslmode" in options or bool(environ.get("PGSSLMODE"))
    return not is_chosen and not unencrypted and not all(map(is_local, link.hosts))


def redis_link(url: Secret) -> Link:
    """Return the link to Redis or Valkey, whose AUTH sends the password as it is."""
    hosts: list[str] = []
    problem, has_password = "", False
    for one in url.reveal().split(";"):
        parts, options = _split(Secret(one))
        if parts.scheme in {"redis+socket", "unix"}:
            continue
        hosts += _hosts(parts.netloc)
        has_password = has_password or bool(parts.password) or "password" in options
        if parts.scheme != "rediss":
            problem = f"{parts.scheme}:// is not encrypted"
        elif _is_off(options, "ssl_cert_reqs", "none", "optional", "cert_none", "cert_optional"):
            problem = "ssl_cert_reqs does not require a certificate"
        elif _is_off(options, "ssl_check_hostname", "false", "0", "no"):
            problem = "ssl_check_hostname=false does not verify the server"
    if all(map(is_local, hosts)):
        return Link("Redis", tuple(hosts))
    advice = "Use rediss:// in MUNIMENT_REDIS_URL; ?ssl_ca_certs=FILE names a CA of your own."
    return Link("Redis", tuple(hosts), problem, has_password, advice)


def opensearch_link(url: Secret) -> Link:
    """Return the link to OpenSearch; basic authentication sends the password as it is."""
    parts, _ = _split(url)
    hosts = _hosts(parts.netloc)
    if parts.scheme == "https" or all(map(is_local, hosts)):
        return Link("OpenSearch", tuple(hosts))
    advice = "Use https:// in MUNIMENT_OPENSEARCH_URL, and MUNIMENT_OPENSEARCH_CA_FILE for a CA of your own."
    return Link("OpenSearch", tuple(hosts), "http:// is not encrypted", bool(parts.password), advice)


def check(links: list[Link], *, unencrypted: bool) -> list[str]:
    """Return a warning for each unprotected link; Misconfigured if one would tell a password without permission."""
    open_ = [link for link in links if link.problem]
    for link in open_:
        if link.tells_password and not unencrypted:
            raise Misconfigured(
                f"the password for {link.server} at {', '.join(link.hosts)} would be sent unprotected: {link.problem}",
                hint=f"{link.advice} {_ALLOW}",
            )
    return [f"{link.warning}. {link.advice}" for link in open_]


class _Parts:
    """What matters of a URL that may name several hosts, which `urlsplit().hostname` does not understand."""

    def __init__(self, url: Secret) -> None:
        parts = urlsplit(url.reveal())
        login, _, _ = parts.netloc.rpartition("@")
        self.scheme, self.netloc, self.query = parts.scheme.lower(), parts.netloc, parts.query
        self.password = login.partition(":")[2]


def _split(url: Secret) -> tuple[_Parts, dict[str, list[str]]]:
    parts = _Parts(url)
    return parts, parse_qs(parts.query, keep_blank_values=True)


def _hosts(netloc: str) -> list[str]:
    places = netloc.rpartition("@")[2]
    hosts = [place if place.endswith("]") else place.rpartition(":")[0] or place for place in places.split(",")]
    return [host for host in hosts if host.strip("[]")] if places else []


def _is_off(options: Mapping[str, list[str]], name: str, *values: str) -> bool:
    return any(value.lower() in values for value in options.get(name, []))
