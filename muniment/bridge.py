"""From threads to asyncio: one event loop in one thread, with one set of resources, for a whole process.

Celery cannot run coroutines (celery#6552), and its threads pool has no way to stop a task. A task
body calls `bridge.run(service)`; `interrupt` cancels what runs, and waits for nobody.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Collection, Coroutine
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import AsyncExitStack
from typing import Any, TypeVar

from muniment import log
from muniment.errors import MunimentError, NotBegun, Transient
from muniment.resources import open_resources
from muniment.services.access.principal import Principal
from muniment.services.resources import Resources
from muniment.settings import Settings

_log = log.get(__name__)

_T = TypeVar("_T")

#: A service with everything bound but its principal and its resources.
Service = Callable[[Principal, Resources], Coroutine[Any, Any, _T]]

_RETRY_SECONDS = 2.0
_STOP_SECONDS = 20.0
_THREADS = 64
_CLEAN_UP_SECONDS = 6.0


def wait_for_resources(settings: Callable[[], Settings]) -> None:
    """Return when every resource can be opened. Servers that are away are waited for; a wrong setting ends the process.

    To be called before a process takes any work: one that cannot do it must not take it from others.
    """
    told = False
    while True:
        try:
            asyncio.run(_open_once(settings()))
        except Transient as error:
            if not told:
                _log.warning("waiting", error=str(error), hint=error.hint)
            told = True
            time.sleep(_RETRY_SECONDS)
        except MunimentError as error:
            raise SystemExit(f"error: {error}\nhint: {error.hint}") from error
        else:
            return


async def _open_once(settings: Settings) -> None:
    async with open_resources(settings, connections=1):
        pass


class Bridge:
    """Starts with the first use, so that a process that forks has nothing to carry over."""

    def __init__(self, settings: Callable[[], Settings], *, connections: int = 16) -> None:
        self._settings = settings
        self._connections = connections
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stack = AsyncExitStack()
        self._resources: Resources | None = None
        self._opening: asyncio.Lock | None = None
        self._calls: set[asyncio.Task[Any]] = set()
        self._background: set[asyncio.Task[None]] = set()
        self._interrupted = threading.Event()

    def run(self, service: Service[_T]) -> _T:
        """Run a service on the loop and return its result, or raise its error.

        After `interrupt` the service is cancelled, its clean-up is waited for, and
        `concurrent.futures.CancelledError` is raised. An exception that a signal raises in this
        thread does the same to all services, and then goes on. NotBegun: `interrupt` came first.
        """
        if self._interrupted.is_set():
            raise NotBegun
        loop = self._start()
        future = asyncio.run_coroutine_threadsafe(self._call(service), loop)
        try:
            return future.result()
        except (CancelledError, MunimentError):
            raise
        except BaseException:
            if not future.done():
                loop.call_soon_threadsafe(self._cancel_calls)
                wait({future}, _CLEAN_UP_SECONDS)
            raise

    def keep_running(self, service: Service[None], name: str) -> None:
        """Run a service in the background until `stop`, from the moment the resources open."""
        loop = self._start()
        loop.call_soon_threadsafe(self._spawn, service, name)

    def ask(self, service: Service[_T], seconds: float) -> _T:
        """Run a service beside all others and return its result, or raise its error; TimeoutError after so many seconds.

        For questions about the process: neither `interrupt` nor anything else cares about it.
        """

        async def asked() -> _T:
            return await service(Principal.process(), await self._open())

        return _result(asyncio.run_coroutine_threadsafe(asked(), self._start()), seconds)

    def beats(self, seconds: float) -> bool:
        """Whether the loop does something within so many seconds."""
        beat = threading.Event()
        self._start().call_soon_threadsafe(beat.set)
        return beat.wait(seconds)

    @property
    def running(self) -> int:
        """How many services `run` is running."""
        return len(self._calls)

    @property
    def resources(self) -> Resources | None:
        """The resources, when they are open."""
        return self._resources

    def pause(self, seconds: float) -> None:
        """Keep the calling thread waiting, until `interrupt` at most."""
        self._interrupted.wait(seconds)

    def interrupt(self) -> None:
        """Cancel what runs, and whatever `run` is still asked for: the process is shutting down.

        Returns at once; each `run` ends when its service has cleaned up.
        """
        self._interrupted.set()
        loop = self._loop  # without the lock: a signal's handler may have come upon its holder
        if loop is not None:
            loop.call_soon_threadsafe(self._cancel_calls)

    def stop(self) -> None:
        """Cancel everything, wait for its clean-up, close the resources and end the thread."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return
        try:
            asyncio.run_coroutine_threadsafe(self._close(), loop).result(_STOP_SECONDS)
        except (TimeoutError, CancelledError, Transient) as error:
            _log.warning("resources did not close in time", error=str(error))
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_STOP_SECONDS)
        if not thread.is_alive():
            loop.close()

    def _start(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                # Look-ups of names block a thread for as long as a resolver does not answer: a few profiles
                # with a dead resolver must not stop the hashing of everybody else.
                self._loop.set_default_executor(ThreadPoolExecutor(_THREADS, thread_name_prefix="blocking"))
                self._thread = threading.Thread(target=self._loop.run_forever, name="asyncio", daemon=True)
                self._thread.start()
            return self._loop

    async def _call(self, service: Service[_T]) -> _T:
        task = asyncio.current_task()
        assert task is not None
        if self._interrupted.is_set():
            raise asyncio.CancelledError
        self._calls.add(task)
        try:
            return await service(Principal.process(), await self._open())
        finally:
            self._calls.discard(task)

    def _cancel_calls(self) -> None:
        for task in self._calls:
            if not task.cancelling():  # a second time would end its clean-up
                task.cancel()

    async def _open(self) -> Resources:
        """Open the resources once; a failure is not remembered, the next call tries again."""
        if self._opening is None:
            self._opening = asyncio.Lock()
        async with self._opening:
            if self._resources is None:
                opened = open_resources(self._settings(), connections=self._connections)
                self._resources = await self._stack.enter_async_context(opened)
            return self._resources

    def _spawn(self, service: Service[None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(self._persist(service, name), name=name)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _persist(self, service: Service[None], name: str) -> None:
        told = ""
        while True:
            try:
                resources = await self._open()
                told = ""
                await service(Principal.process(), resources)
            except MunimentError as error:
                if str(error) != told:  # once for each reason: several services may wait for hours
                    _log.warning("background service waits", service=name, error=str(error))
                told = str(error)
            await asyncio.sleep(_RETRY_SECONDS)

    async def _close(self) -> None:
        """End the services, then what runs beside them, then all else; each cleans up before the next goes."""
        self._cancel_calls()
        await _end(set(self._calls))
        for task in self._background:
            task.cancel()
        await _end(set(self._background))
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await _end(rest)
        await self._stack.aclose()


def _result(future: Future[_T], seconds: float) -> _T:
    try:
        return future.result(seconds)
    except TimeoutError:
        future.cancel()
        raise


async def _end(tasks: Collection[asyncio.Task[Any] | None]) -> None:
    """Wait until tasks have ended, for a time that leaves enough for those after them."""
    if tasks:
        await asyncio.wait([task for task in tasks if task], timeout=_CLEAN_UP_SECONDS)
