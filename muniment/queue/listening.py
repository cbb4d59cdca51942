"""Mends how kombu listens to Redis' channels: a worker whose connection broke became deaf, and looked alive.

kombu 5.7 reads a subscription (`celery inspect`, Flower's commands and events) with `PubSub.parse_response()` as soon as
its socket is readable. redis-py 8 reads there without any time limit, and when the connection turns out to be broken it
connects again, unsubscribed, and waits for a message that never comes: in the main thread, which takes the tasks. It
needs no more than a Redis that is back by the time its loss is noticed: a fail-over, a firewall that drops idle
connections, a machine that slept. `make chaos` found it; `test_a_worker_whose_broker_cut_its_connections_hears_again` shows it.
"""

from __future__ import annotations

from typing import Any

from kombu.transport.redis import Channel
from kombu.utils.objects import cached_property
from redis.client import PubSub
from redis.exceptions import ConnectionError as ConnectionLost

#: A message that has begun to come comes whole within this time (seconds).
_SECONDS = 10.0


class PromptPubSub(PubSub):
    """A subscription that reads what is there, and says so when its connection is gone: then Celery begins anew."""

    def parse_response(self, block: bool = True, timeout: float = 0) -> Any:  # noqa: ARG002, FBT001, FBT002 - as redis-py has it
        """Return the next message, None when there is none now; ConnectionError when there will be none any more."""
        connection: Any = self.connection
        if connection is None or not connection.is_connected:
            raise ConnectionLost("the subscription is gone with its connection")
        if not connection.can_read(timeout=0):
            return None
        response = connection.read_response(push_request=True, timeout=_SECONDS)
        if self.is_health_check_response(response):
            self.health_check_response_counter -= 1
            return None
        return response


def listen_promptly() -> None:
    """Let every channel of this process to Redis listen in this way."""

    def subclient(channel: Any) -> PubSub:
        return PromptPubSub(channel._create_client(asynchronous=True).connection_pool)  # noqa: SLF001 - as kombu does it

    prompt: Any = cached_property(subclient)
    prompt.__set_name__(Channel, "subclient")
    Channel.subclient = prompt  # type: ignore[method-assign]
