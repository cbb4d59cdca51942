"""Works around a hang in kombu's Redis subscriptions: after a broken connection, a worker takes no more tasks.

kombu 5.7 reads a subscription (`celery inspect`, Flower's commands and events) with `PubSub.parse_response()` as soon
as its socket is readable. redis-py 8 reads there without a timeout. If the connection is broken, it reconnects without
subscribing and waits for a message that never arrives: in the main thread, which takes the tasks. This happens whenever
Redis is back before its loss is noticed: a failover, a firewall that drops idle connections, a machine that slept.
`make chaos` found it; `test_a_worker_whose_broker_cut_its_connections_hears_again` reproduces it.
"""

from __future__ import annotations

from typing import Any

from kombu.transport.redis import Channel
from kombu.utils.objects import cached_property
from redis.client import PubSub
from redis.exceptions import ConnectionError as ConnectionLost

#: Timeout for the rest of a message that has begun to arrive (seconds).
_SECONDS = 10.0


class PromptPubSub(PubSub):
    """A subscription that never blocks and raises an error if its connection is lost; Celery then reconnects."""

    def parse_response(self, block: bool = True, timeout: float = 0) -> Any:  # noqa: ARG002, FBT001, FBT002 - redis-py's signature
        """Return the next message, None if there is none now; raise ConnectionError if the connection is lost."""
        connection: Any = self.connection
        if connection is None or not connection.is_connected:
            raise ConnectionLost("the subscription's connection is lost")
        if not connection.can_read(timeout=0):
            return None
        response = connection.read_response(push_request=True, timeout=_SECONDS)
        if self.is_health_check_response(response):
            self.health_check_response_counter -= 1
            return None
        return response


def listen_promptly() -> None:
    """Make every Redis channel of this process use `PromptPubSub`."""

    def subclient(channel: Any) -> PubSub:
        return PromptPubSub(channel._create_client(asynchronous=True).connection_pool)  # noqa: SLF001 - as in kombu

    prompt: Any = cached_property(subclient)
    prompt.__set_name__(Channel, "subclient")
    Channel.subclient = prompt  # type: ignore[method-assign]
