"""The writing side of a slice: commits one group of batches while the next is fetched."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self

from muniment.errors import MunimentError, Transient
from muniment.model.run import Lease
from muniment.services.archiving.batch import Batch, Filing, Target
from muniment.services.archiving.commit_group import commit_group
from muniment.services.archiving.prove_folders import Visited
from muniment.services.resources import Resources


class _Group:
    """Batches and proofs for one transaction."""

    def __init__(self) -> None:
        self.filings: list[Filing] = []
        self.visits: list[Visited] = []
        self.messages = 0
        self.bytes = 0

    def add(self, filing: Filing) -> None:
        self.filings.append(filing)
        self.messages += len(filing.batch.messages)
        self.bytes += filing.batch.size

    def close(self) -> None:
        for filing in self.filings:
            filing.batch.close()


class Writer:
    """Takes the batches and proofs of one slice in order; use it with `async with`.

    They gather, across folders, until a group is as large as one FETCH may be (`batch_messages`, `batch_bytes`),
    because a transaction costs as much as the messages of several small folders. One group commits while the next
    gathers. The next call raises the error of a failed commit, and nothing after it is stored. At the end of the block
    everything is committed, even if the connection to the mail server was lost.
    """

    def __init__(self, resources: Resources, lease: Lease) -> None:
        self._resources = resources
        self._lease = lease
        self._gathering = _Group()
        self._committing: asyncio.Task[None] | None = None
        # After a failed commit, nothing more may be stored: a later group may hold proofs that count on the failed one.
        self._has_failed = False
        #: Ids of folders that were found to lack messages.
        self.incomplete: set[int] = set()

    async def file(self, target: Target, batch: Batch) -> None:
        """Take ownership of a batch."""
        self._gathering.add(Filing(target, batch))
        limits = self._resources.limits
        if self._gathering.messages >= limits.batch_messages or self._gathering.bytes >= limits.batch_bytes:
            await self._begin()

    async def prove(self, visit: Visited) -> None:
        """Take a folder's proof, to be stored with its last batch or after it."""
        self._gathering.visits.append(visit)
        if len(self._gathering.visits) >= self._resources.limits.batch_messages:
            await self._begin()

    async def flush(self) -> None:
        """Commit what has gathered; returns once it is durable and its memory is free."""
        await self._begin()
        await self._settle()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                await self.flush()
            elif isinstance(error, Transient) and not self._has_failed:
                with suppress(MunimentError):
                    await self.flush()
        finally:
            await self._abandon()

    async def _begin(self) -> None:
        await self._settle()
        group, self._gathering = self._gathering, _Group()
        if group.filings or group.visits:
            name = f"commit of job {self._lease.job_id}"
            self._committing = asyncio.create_task(self._commit(group), name=name)
            # Not within the task: a task that is cancelled before it starts never runs its body.
            self._committing.add_done_callback(lambda _: group.close())

    async def _settle(self) -> None:
        committing, self._committing = self._committing, None
        if committing is not None:
            try:
                await committing
            except BaseException:
                self._has_failed = True
                raise

    async def _commit(self, group: _Group) -> None:
        missing = await commit_group(self._resources, self._lease, group.filings, group.visits)
        self.incomplete.update(folder_id for folder_id, lacking in missing.items() if lacking)

    async def _abandon(self) -> None:
        committing, self._committing = self._committing, None
        if committing is not None:
            committing.cancel()
            await asyncio.wait({committing})
            if not committing.cancelled():
                committing.exception()  # retrieve it, or asyncio logs it as never retrieved
        self._gathering.close()
