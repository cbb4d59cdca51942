"""URLs of the broker."""

from __future__ import annotations

from muniment.secrecy import Secret, check_url

_SCHEMES = ("redis", "rediss", "redis+socket", "sentinel")
_SOCKET = "redis+socket://"


def check_broker_url(url: Secret) -> None:
    """Raise Misconfigured if MUNIMENT_REDIS_URL is not a URL that kombu understands."""
    check_url(url, "MUNIMENT_REDIS_URL", _SCHEMES)


def redis_py_url(url: str) -> str:
    """Translate a broker URL for redis-py, which uses `unix://` instead of kombu's `redis+socket://`."""
    return "unix://" + url.removeprefix(_SOCKET) if url.startswith(_SOCKET) else url
