"""The governor: limits the connections to each mail server across the whole fleet (docs/decisions/0010-governor.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from muniment.governor.port import Governor
from muniment.governor.slot import ConnectionSlot
from muniment.governor.state import ServerState
from muniment.governor.timing import Timing
from muniment.lazily import lazily

if TYPE_CHECKING:
    from muniment.governor.memory import MemoryGovernor
    from muniment.governor.redis_governor import Memory, RedisGovernor
    from muniment.governor.script import Script

__all__ = ["ConnectionSlot", "Governor", "Memory", "MemoryGovernor", "RedisGovernor", "Script", "ServerState", "Timing"]

__getattr__ = lazily(
    __name__,
    {"Memory": "redis_governor", "MemoryGovernor": "memory", "RedisGovernor": "redis_governor", "Script": "script"},
)
