"""The parent side of the process that reads attachments."""

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

#: The process is replaced after this many attachments, because libraries leak memory.
MAX_ATTACHMENTS = 1000

_START_SECONDS = 60.0


@dataclass(frozen=True)
class Reading:
    """The text of an attachment, and the reason if some of it is missing."""

    text: str = ""
    problem: str = ""


class AttachmentReader:
    """Reads attachments in one process, which starts on first use and is restarted if an attachment crashes it."""

    def __init__(self, *, kill_seconds: float = KILL_SECONDS) -> None:
        self._kill_seconds = kill_seconds
        self._process: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()
        self._served = 0

    async def read(self, name: str, type_: str, kind: Kind, data: bytes) -> Reading:
        """Return an attachment's text; if the process dies or hangs, return that as the attachment's problem."""
        async with self._lock:
            try:
                return await self._ask(name, type_, data)
            except TimeoutError:
                await self._end()
                return Reading(problem=f"reading it took more than {self._kill_seconds:.0f} s")
            except (asyncio.IncompleteReadError, ConnectionError):
                code = await self._end()
                _log.warning("attachment reader died", kind=kind.value, size=len(data), code=code)
                return Reading(problem=f"its reader died ({kind.value}, exit code {code})")
            except asyncio.CancelledError:
                await self._end()
                raise

    async def close(self) -> None:
        """Stop the process."""
        async with self._lock:
            await self._end()

    async def _ask(self, name: str, type_: str, data: bytes) -> Reading:
        process = await self._started()
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

    async def _started(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            self._served = 0
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "muniment.attachments.child"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                # Ctrl-C must reach only the parent, which stops its child in order.
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
