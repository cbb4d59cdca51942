"""The contents of the broker and the events that pass through it, as an eavesdropper sees them."""

from __future__ import annotations

import base64
import binascii
import json
import threading
from collections.abc import Callable, Iterable
from typing import Any, Self, cast

import redis

from muniment.embedded.valkey import EmbeddedValkey
from tests.support.services import redis_url


class Broker:
    """A second client of the broker; within `with`, it also receives every published event."""

    def __init__(self, server: EmbeddedValkey) -> None:
        # The client's type hints say that every answer may be a coroutine.
        self.client = cast("Any", redis.Redis.from_url(redis_url(server)))
        self.heard: list[str] = []
        self._pubsub = self.client.pubsub()
        self._stopped = threading.Event()

    def __enter__(self) -> Self:
        self._pubsub.psubscribe("*")
        self._thread = threading.Thread(target=self._listen, daemon=True, name="eavesdropper")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(10)
        self._pubsub.close()
        self.client.close()

    def contents(self) -> str:
        """Return everything in the broker, with encoded bodies also decoded."""
        texts = []
        for key in self.client.scan_iter():
            texts += [key, *self._values(key)]
        return "\n".join(_plain(text) for text in texts)

    def size(self) -> int:
        """Return the memory of all keys in bytes."""
        return sum(self.client.memory_usage(key) or 0 for key in self.client.scan_iter())

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Return the events of a kind (`task-sent`, …) received so far, without the workers' copies."""
        bodies = [json.loads(text) for text in self.heard if text.startswith("{")]
        found = {}
        for body in bodies:
            raw = json.loads(base64.b64decode(body["body"]))
            for event in raw if isinstance(raw, list) else [raw]:
                if event.get("type") == kind:  # commands to workers are published this way, too
                    found[event["uuid"]] = event
        return list(found.values())

    def _values(self, key: bytes) -> list[bytes]:
        client = self.client
        kind = client.type(key).decode()
        read: dict[str, Callable[[], Iterable[bytes]]] = {
            "string": lambda: [client.get(key) or b""],
            "list": lambda: client.lrange(key, 0, -1),
            "set": lambda: client.smembers(key),
            "zset": lambda: client.zrange(key, 0, -1),
            "hash": lambda: [part for pair in client.hgetall(key).items() for part in pair],
            "none": list,
        }
        return list(read[kind]())

    def _listen(self) -> None:
        while not self._stopped.is_set():
            message = self._pubsub.get_message(ignore_subscribe_messages=True, timeout=0.2)
            if message:
                self.heard.append(message["data"].decode())


def _plain(data: bytes) -> str:
    """Return a value as text; Celery's base64 bodies also decoded."""
    text = data.decode("utf-8", "replace")
    try:
        message = json.loads(text)
        envelope = message[0] if isinstance(message, list) else message
        return text + base64.b64decode(envelope["body"]).decode()
    except (ValueError, LookupError, TypeError, binascii.Error):
        return text
