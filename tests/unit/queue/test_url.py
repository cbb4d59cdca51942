"""URLs of the broker."""

from __future__ import annotations

import pytest
import redis
from kombu import Connection

from muniment.queue.url import redis_py_url


@pytest.mark.parametrize(
    ("kombu", "redis_py"),
    [
        ("redis+socket:///run/valkey.sock", "unix:///run/valkey.sock"),
        ("redis://:secret@host:6380/2", "redis://:secret@host:6380/2"),
        ("rediss://host/0", "rediss://host/0"),
    ],
)
def test_one_url_serves_both_libraries(kombu: str, redis_py: str) -> None:
    """kombu's socket URL is translated for redis-py; others stay unchanged, and both libraries accept theirs."""
    assert redis_py_url(kombu) == redis_py
    assert Connection(kombu).transport_cls in {"redis", "rediss", "redis+socket"}
    redis.Redis.from_url(redis_py).close()
