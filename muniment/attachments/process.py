"""The parent's side of the process that reads attachments."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from muniment import log
from muniment.attachments.kinds import Kind
from muniment.attachments.limits import KILL_SECONDS

_log = log.get(__name__)

#: After so many attachments a process is replaced: libraries leak.
MAX_ATTACHMENTS = 1000

_START_SECONDS = 60.0


@dataclass(frozen=True)
class Reading:
    """The text of an attachment, and why there is not more of it."""

    text: str = ""
    problem: str = ""


class AttachmentReader:
    """One process that reads attachments, begun with the first; a poisoned one ends it, and the next begins another."""

    def __init__(self, *, kill_seconds: float = KILL_SECONDS) -> None:
        self._kill_seconds = kill_seconds
        self._process: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()
        self._served = 0

    async def read(self, name: str, type_: str, kind: Kind, data: bytes) -> Reading:
        """Return an attachment's text; a process that dies or hangs over it is a problem of this attachment."""
        async with self._lock:
            try:
                return await self._ask(name, type_, data)
            except TimeoutError:
                await self._end()
                return Reading(problem=f"reading it took more than {self._kill_seconds:.0f} s")
            except (asyncio.IncompleteReadError, ConnectionError):
                code = await self._end()
                _log.warning("reader of attachments died", kind=kind.value, size=len(data), code=code)
                return Reading(problem=f"its reader died ({kind.value}, exit code {code})")
            except asyncio.CancelledError:
                await self._end()
                raise

    async def close(self) -> None:
        """End the process."""
        async with self._lock:
            await self._end()

    async def _ask(self, name: str, type_: str, data: bytes) -> Reading:
        process = await self._begun()
        assert process.stdin is not None and process.stdout is not None  # noqa: PT018 - both are pipes
        packed = msgspec.msgpack.encode({"name": name, "type": type_, "data": data})
        async with asyncio.timeout(self._kill_seconds if self._served else _START_SECONDS):
            process.stdin.write(len(packed).to_bytes(4))
            process.stdin.write(packed)
            await process.stdin.drain()
            size = int.from_bytes(await process.stdout.readexactly(4))
            answer = msgspec.msgpack.decode(await process.stdout.readexactly(size))
        self._served += 1
        if self._served >= MAX_ATTACHMENTS:
            await self._end()
        return Reading(answer["text"], answer["problem"])

    async def _begun(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            self._served = 0
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "muniment.attachments.child"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                # Ctrl-C is for the parent, which ends its child in order.
                start_new_session=True,
            )
        return self._process

    async def _end(self) -> int | None:
        process, self._process = self._process, None
        if process is None:
            return None
        with suppress(ProcessLookupError):
            process.kill()
        if process.stdin is not None:
            process.stdin.close()
        return await process.wait()
