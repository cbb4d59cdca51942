"""The parent side of the process that reads attachments."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from muniment import log, metrics
from muniment.attachments.barriers import REQUIRED, Barrier, Report, in_force, missing
from muniment.attachments.kinds import Kind
from muniment.attachments.limits import KILL_AFTER_SECONDS, READ_SECONDS

_log = log.get(__name__)

#: The process is replaced after this many attachments, because libraries leak memory.
MAX_ATTACHMENTS = 1000

_START_SECONDS = 60.0
_CHILD = ("-m", "muniment.attachments.child")


@dataclass(frozen=True)
class Reading:
    """The text of an attachment, and the reason if some of it is missing.

    `settled`: reading it again would give the same; otherwise it had less time than an attachment may take, or no
    process to read it. `seconds`: how long it took.
    """

    text: str = ""
    problem: str = ""
    settled: bool = True
    seconds: float = field(default=0.0, compare=False)


class AttachmentReader:
    """Reads attachments in one process, which starts on first use and is restarted if an attachment crashes it.

    `demanding`: read nothing if the kernel does not offer the barriers in `barriers.REQUIRED`. `patience`: how much
    longer than an attachment's time the process may stay silent before it is killed (seconds).
    """

    def __init__(self, *, demanding: bool = False, patience: float = KILL_AFTER_SECONDS) -> None:
        self._demanding = demanding
        self._patience = patience
        self._process: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()
        self._served = 0
        self._refusal = ""

    async def read(self, name: str, type_: str, kind: Kind, data: bytes, *, seconds: float = READ_SECONDS) -> Reading:
        """Return an attachment's text; if the process dies or hangs, return that as the attachment's problem.

        `seconds`: how long reading may take; what was collected until then is returned.
        """
        async with self._lock:
            began = time.monotonic()
            reading = await self._attempt(name, type_, kind, data, seconds)
            return replace(reading, seconds=time.monotonic() - began)

    async def close(self) -> None:
        """Stop the process."""
        async with self._lock:
            await self._end()

    async def _attempt(self, name: str, type_: str, kind: Kind, data: bytes, seconds: float) -> Reading:
        try:
            return await self._ask(name, type_, data, seconds)
        except TimeoutError:
            await self._end()
            return Reading(problem=f"reading it took more than {seconds:.0f} s", settled=seconds >= READ_SECONDS)
        except (asyncio.IncompleteReadError, ConnectionError):
            code = await self._end()
            _log.warning("attachment reader died", kind=kind.value, size=len(data), code=code)
            return Reading(problem=f"its reader died ({kind.value}, exit code {code})")
        except asyncio.CancelledError:
            await self._end()
            raise

    async def _ask(self, name: str, type_: str, data: bytes, seconds: float) -> Reading:
        process = await self._started()
        if self._refusal:
            await self._end()
            return Reading(problem=self._refusal, settled=False)
        packed = msgspec.msgpack.encode({"name": name, "type": type_, "data": data, "seconds": seconds})
        async with asyncio.timeout(seconds + self._patience):
            assert process.stdin is not None  # a pipe
            process.stdin.write(len(packed).to_bytes(4))
            process.stdin.write(packed)
            await process.stdin.drain()
            answer = await receive(process)
        self._served += 1
        if self._served >= MAX_ATTACHMENTS:
            await self._end()
        settled = not answer["late"] or seconds >= READ_SECONDS
        return Reading(answer["text"], answer["problem"], settled)

    async def _started(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            self._served = 0
            self._process = await launch(*_CHILD)
            async with asyncio.timeout(_START_SECONDS):
                self._look_at(await receive(self._process))
        return self._process

    def _look_at(self, report: Report) -> None:
        """Tell the operator which barriers hold."""
        lacking = missing(report)
        for barrier in Barrier:
            metrics.READER_BARRIERS.labels(barrier.value).set(barrier.value not in lacking)
        needed = {name: lacking[name] for name in sorted(REQUIRED & lacking.keys())}
        tell = _log.warning if needed else _log.info
        tell("attachment reader started", barriers=in_force(report), missing=lacking)
        reasons = ", ".join(f"{name} ({reason})" for name, reason in needed.items())
        self._refusal = f"not read, since this machine offers no {reasons}" if reasons and self._demanding else ""

    async def _end(self) -> int | None:
        process, self._process = self._process, None
        if process is None:
            return None
        with suppress(ProcessLookupError):
            process.kill()
        if process.stdin is not None:
            process.stdin.close()
        return await process.wait()


async def launch(*arguments: str) -> asyncio.subprocess.Process:
    """Start Python with these arguments and the id of this process, apart from everything that this process has."""
    kept = ("LD_LIBRARY_PATH",)  # some Pythons do not start without it
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", *arguments, str(os.getpid())),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={name: os.environ[name] for name in kept if name in os.environ},
        cwd="/",
        close_fds=True,
        # Ctrl-C must reach only the parent, which stops its child in order.
        start_new_session=True,
    )


async def receive(process: asyncio.subprocess.Process) -> Any:
    """Return one message of the process; IncompleteReadError if it ends before."""
    assert process.stdout is not None  # a pipe
    size = int.from_bytes(await process.stdout.readexactly(4))
    return msgspec.msgpack.decode(await process.stdout.readexactly(size))
