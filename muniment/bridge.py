"""Connects threads with asyncio: one event loop in one thread, with one set of resources, per process.

Celery cannot run coroutines (celery#6552), and its thread pool cannot stop a task. A task body
calls `bridge.run(service)`; `interrupt` cancels all running services without waiting for them.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Collection, Coroutine
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import AsyncExitStack, suppress
from typing import Any, TypeVar

from muniment import log
from muniment.errors import MunimentError, NotStarted, Transient
from muniment.resources import open_resources
from muniment.services.access.principal import Principal
from muniment.services.resources import Resources
from muniment.settings import Settings

_log = log.get(__name__)

_T = TypeVar("_T")

#: A service whose only unbound arguments are its principal and its resources.
Service = Callable[[Principal, Resources], Coroutine[Any, Any, _T]]

_RETRY_SECONDS = 2.0
_STOP_SECONDS = 20.0
_THREADS = 64
_CLEAN_UP_SECONDS = 6.0


def wait_for_resources(settings: Callable[[], Settings], *, key: bool = True) -> None:
    """Wait until every resource can be opened. An unavailable server is retried; a wrong setting ends the process.

    `key`: as in `open_resources`. Call this before a process takes work: a process that cannot do the work must not
    take it from others.
    """
    _warn_of_links(settings)
    warned = False
    while True:
        try:
            asyncio.run(_open_once(settings(), key=key))
        except Transient as error:
            if not warned:
                _log.warning("waiting for resources", error=str(error), hint=error.hint)
            warned = True
            time.sleep(_RETRY_SECONDS)
        except MunimentError as error:
            raise SystemExit(f"error: {error}\nhint: {error.hint}") from error
        else:
            return


def _warn_of_links(settings: Callable[[], Settings]) -> None:
    """Log each link to a server that is not protected; errors are reported when the resources are opened."""
    with suppress(MunimentError):
        for told in settings().check_links():
            _log.warning("unprotected link", warning=told)


async def _open_once(settings: Settings, *, key: bool) -> None:
    async with open_resources(settings, connections=1, key=key):
        pass


class Bridge:
    """An event loop in a thread. It starts on first use, so that a process can fork before that.

    `key`, which can be changed until then: whether the process opens stored passwords.
    """

    def __init__(self, settings: Callable[[], Settings], *, connections: int = 16, key: bool = True) -> None:
        self.key = key
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

        `interrupt` cancels the service; `run` waits for its clean-up and raises
        `concurrent.futures.CancelledError`. If a signal handler raises an exception in this thread,
        all services are cancelled before it propagates. After `interrupt`, `run` raises NotStarted.
        """
        if self._interrupted.is_set():
            raise NotStarted
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
        """Run a service in the background until `stop`, starting as soon as the resources are open."""
        loop = self._start()
        loop.call_soon_threadsafe(self._spawn, service, name)

    def ask(self, service: Service[_T], seconds: float) -> _T:
        """Run a service beside all others and return its result or raise its error; raise TimeoutError after `seconds`.

        For health checks: `running` does not count it, and `interrupt` does not cancel it.
        """

        async def asked() -> _T:
            return await service(Principal.process(), await self._open())

        return _result(asyncio.run_coroutine_threadsafe(asked(), self._start()), seconds)

    def beats(self, seconds: float) -> bool:
        """Return whether the loop runs a callback within `seconds`."""
        beat = threading.Event()
        self._start().call_soon_threadsafe(beat.set)
        return beat.wait(seconds)

    @property
    def running(self) -> int:
        """Number of services that `run` is executing."""
        return len(self._calls)

    @property
    def resources(self) -> Resources | None:
        """The resources; None until they are open."""
        return self._resources

    def pause(self, seconds: float) -> None:
        """Block the calling thread for `seconds`, or until `interrupt`."""
        self._interrupted.wait(seconds)

    def interrupt(self) -> None:
        """Cancel all running services and refuse new ones, because the process is shutting down.

        Returns at once; each `run` returns when its service has cleaned up.
        """
        self._interrupted.set()
        loop = self._loop  # without the lock: a signal handler may have interrupted its holder
        if loop is not None:
            loop.call_soon_threadsafe(self._cancel_calls)

    def stop(self) -> None:
        """Cancel all services, wait for their clean-up, close the resources and end the thread."""
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
                # A DNS lookup blocks a thread until the resolver answers: a few profiles with a dead resolver
                # must not keep other mailboxes from hashing messages.
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
            if not task.cancelling():  # a second cancellation would abort its clean-up
                task.cancel()

    async def _open(self) -> Resources:
        """Open the resources once; after a failure, the next call tries again."""
        if self._opening is None:
            self._opening = asyncio.Lock()
        async with self._opening:
            if self._resources is None:
                opened = open_resources(self._settings(), connections=self._connections, key=self.key)
                self._resources = await self._stack.enter_async_context(opened)
            return self._resources

    def _spawn(self, service: Service[None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(self._persist(service, name), name=name)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _persist(self, service: Service[None], name: str) -> None:
        reported = ""
        while True:
            try:
                resources = await self._open()
                reported = ""
                await service(Principal.process(), resources)
            except MunimentError as error:
                if str(error) != reported:  # log each reason once: several services may wait for hours
                    _log.warning("background service waits", service=name, error=str(error))
                reported = str(error)
            await asyncio.sleep(_RETRY_SECONDS)

    async def _close(self) -> None:
        """Cancel the services, then the background services, then all other tasks; wait for each group's clean-up."""
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
    """Wait until tasks have ended, at most for a part of `_STOP_SECONDS`."""
    if tasks:
        await asyncio.wait([task for task in tasks if task], timeout=_CLEAN_UP_SECONDS)
