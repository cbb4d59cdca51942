"""Fetch messages of the open folder in batches, each within the process's byte budget."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from itertools import chain

from muniment import log
from muniment.errors import CommandRefused, GaveUp, Transient
from muniment.imap import batches, unknown_size
from muniment.mailserver import ByteBudget
from muniment.metrics import Stage, timed
from muniment.model.message import FetchedMessage
from muniment.services.archiving.batch import Batch
from muniment.services.archiving.folder_work import FolderWork, give_up_folder_if_last, is_last_try
from muniment.services.archiving.writer import Writer
from muniment.services.mailboxes.still_there import still_there
from muniment.services.resources import Resources

_log = log.get(__name__)

#: How many messages one FETCH of RFC822.SIZE covers; batches are cut by these sizes.
SIZES_WINDOW = 5000

NOT_DELIVERED = "the server lists the message but does not deliver it"


async def fetch_batches(
    resources: Resources, work: FolderWork, todo: Sequence[int], writer: Writer
) -> AsyncGenerator[Batch, None]:
    """Yield batches; each holds its share of the process's byte budget until it is closed.

    If the budget has no room, the writer commits first, which frees the share of the batches it gathered.
    """
    limits = resources.limits
    unknown = unknown_size(limits)
    # In the folder where the connection was lost last time, fetch one by one to find the message that causes it.
    singly = limits.batch_messages if work.job.broke_folder == work.state.id else 0
    for start in range(0, len(todo), SIZES_WINDOW):
        window = todo[start : start + SIZES_WINDOW]
        sizes = await _sizes(resources, work, window)
        one_by_one, others = window[:singly], window[singly:]
        singly -= len(one_by_one)
        for uids in chain(([uid] for uid in one_by_one), batches(others, sizes, limits)):
            # A message above this size waits in a spool file and takes hardly any memory.
            cost = sum(min(sizes.get(uid, unknown), limits.spool_bytes) for uid in uids)
            if not resources.budget.has_room(cost):
                await writer.flush()
            with timed(Stage.ROOM):
                await work.session.make_room(sum(sizes.get(uid, unknown) for uid in uids))
                await resources.budget.reserve(cost)
            async with aclosing(_fetch_set(resources, work, uids, cost, sizes)) as fetched:
                async for batch in fetched:
                    yield batch


async def _sizes(resources: Resources, work: FolderWork, uids: Sequence[int]) -> Mapping[int, int]:
    """Return sizes in bytes; empty if the server refuses, because one unreadable message must not stop the others."""
    try:
        return await work.session.sizes(uids)
    except CommandRefused as error:
        _log.warning("no sizes", error=str(error))
        return {}
    except Transient as error:
        await give_up_folder_if_last(resources, work, error)
        raise


async def _fetch_set(
    resources: Resources, work: FolderWork, uids: Sequence[int], cost: int, sizes: Mapping[int, int]
) -> AsyncGenerator[Batch, None]:
    """Yield the messages of one FETCH as one batch, or as several if they are larger than the server claimed.

    `cost` bytes are reserved for the last batch, the only one that moves the cursor. Bytes beyond that are charged as
    they arrive. If the connection is lost, the messages delivered so far are yielded before the error is raised.
    """
    limits, session = resources.limits, work.session
    share = _Share(resources.budget, cost)
    batch = Batch(uids[-1], [], share.release)
    absent = set(uids)
    held = 0
    try:
        async with aclosing(session.fetch(uids)) as fetched:
            async for message in fetched:
                batch.messages.append(_with_announcement(message, sizes, work))
                absent.discard(message.uid)
                held += min(message.raw.size, limits.spool_bytes) if message.raw is not None else 0
                share.cover(held)
                if held > cost + limits.batch_bytes:
                    surplus = Batch(0, batch.messages, share.hand_over())
                    batch.messages, held = [], 0
                    yield surplus
        # Listed but not delivered is an error; no longer listed means that the message was expunged meanwhile.
        listed = await still_there(session, sorted(absent))
        batch.messages += [FetchedMessage(uid, (), None, None, NOT_DELIVERED) for uid in listed]
    except Transient as error:
        batch.cursor = 0
        if absent:
            give_up = _give_up_message_if_last(resources, work, batch, min(absent), error, is_alone=len(uids) == 1)
            await batch.after(give_up)
        given_up = batch.breaks > 0
        if batch.messages:
            yield batch
        else:
            batch.close()
        if given_up:
            raise GaveUp(str(error)) from error
        raise
    except BaseException:
        batch.close()
        raise
    yield batch


def _with_announcement(message: FetchedMessage, sizes: Mapping[int, int], work: FolderWork) -> FetchedMessage:
    """Return the message with the size that was announced before, if the one announced with its bytes hides a change.

    POP3 announces each size once, and not exactly (`pop3.announced_size`).
    """
    announced = sizes.get(message.uid)
    if message.is_size_odd or announced is None or work.profile.server.access.is_pop3:
        return message
    return replace(message, announced=announced)


async def _give_up_message_if_last(
    resources: Resources, work: FolderWork, batch: Batch, uid: int, error: Transient, *, is_alone: bool
) -> None:
    """After the last attempt, add the message at which the connection was lost to the batch as undeliverable.

    `is_alone`: the FETCH named only this message. Otherwise it is a guess, and the next attempt fetches one by one.
    """
    if await is_last_try(resources, work, uid, error) and is_alone:
        reason = f"the connection broke at each of {resources.settings.job_attempts} tries to fetch it: {error}"
        batch.messages.append(FetchedMessage(uid, (), None, None, reason))
        batch.breaks = 1


class _Share:
    """The share of the byte budget that the messages of one FETCH hold."""

    def __init__(self, budget: ByteBudget, reserved: int) -> None:
        self._budget = budget
        self._reserved = reserved
        self._charged = 0

    def cover(self, held: int) -> None:
        """Charge what is held beyond the reservation. Never block here: waiting while holding budget can deadlock."""
        if (beyond := held - self._reserved - self._charged) > 0:
            self._charged += beyond
            self._budget.charge(beyond)

    def hand_over(self) -> Callable[[], None]:
        """Return a callback that releases what is held now; the reservation stays for the messages still to come."""
        self._budget.charge(self._reserved)
        release = partial(self._budget.release, self._reserved + self._charged)
        self._charged = 0
        return release

    def release(self) -> None:
        """Give back everything."""
        self._budget.release(self._reserved + self._charged)
