"""The governor: limits the connections to each mail server across the whole fleet (docs/decisions/0010-governor.md)."""

from __future__ import annotations

from muniment.governor.memory import MemoryGovernor
from muniment.governor.port import Governor
from muniment.governor.redis_governor import Memory, RedisGovernor
from muniment.governor.script import Script
from muniment.governor.slot import ConnectionSlot
from muniment.governor.state import ServerState
from muniment.governor.timing import Timing

__all__ = ["ConnectionSlot", "Governor", "Memory", "MemoryGovernor", "RedisGovernor", "Script", "ServerState", "Timing"]
