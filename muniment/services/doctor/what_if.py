"""Forecast what a run of a profile would archive and delete now. Nothing is stored or changed."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from muniment.clock import utc_now
from muniment.db import folders, profiles, runs
from muniment.db.profiles import ProfileMailbox
from muniment.db.runs import Pace
from muniment.errors import CommandRefused, MunimentError
from muniment.mailserver import MailSession
from muniment.model.folder import FolderState, ServerFolder
from muniment.model.profile import Profile
from muniment.services.access.audit import Action, audited_stream
from muniment.services.access.principal import Principal, Right
from muniment.services.deleting.choose_deletions import SIZE_DIFFERS, choose_deletions, may_delete
from muniment.services.deleting.delete_archived import NO_UIDPLUS
from muniment.services.mailboxes.credentials import Logins, open_logins
from muniment.services.mailboxes.effective_folders import effective_folders
from muniment.services.mailboxes.filter_new_messages import WINDOW, filter_new_messages, message_facts
from muniment.services.mailboxes.gmail import labels_elsewhere
from muniment.services.mailboxes.open_mailbox import is_unmoved
from muniment.services.mailboxes.open_session import open_session
from muniment.services.mailboxes.run_concurrently import retry_while_busy, run_concurrently
from muniment.services.resources import Resources


@dataclass(frozen=True)
class PlannedDeletion:
    """A message that would be deleted on the server; `sha256` is None if the same run would archive it first."""

    folder: tuple[str, ...]
    uid: int
    size: int
    sha256: bytes | None


@dataclass
class Forecast:
    """What a run would do with a mailbox; `error` is empty if that could be determined.

    `messages`, `bytes`: to fetch. `renumbered`: how many of them are in folders with a new UIDVALIDITY, where most will
    be recognised by content. `kept`: how many archived messages stay on the server, by reason.
    """

    user: str
    mailbox: str
    messages: int = 0
    bytes: int = 0
    renumbered: int = 0
    filtered: int = 0
    deletions: list[PlannedDeletion] = field(default_factory=list)
    kept: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)
    seconds: float = 0.0
    error: str = ""
    hint: str = ""


@audited_stream(Action.FORECAST_MADE, "name")
async def what_if(principal: Principal, resources: Resources, name: str) -> AsyncGenerator[Forecast, None]:
    """Yield what a run of the profile would do with each mailbox, as results complete; NotFound: no such profile."""
    principal.require(Right.ARCHIVE, Right.MODIFY_PROFILES)
    async with resources.database.session() as session:
        profile = await profiles.find(session, name)
        mailboxes = await profiles.test_mailboxes(session, profile)
        stored = await profiles.get(session, profile.id)
    logins = await open_logins(resources, stored)
    now = utc_now()
    looks = (partial(_forecast, resources, logins, mailbox, now) for mailbox in mailboxes)
    async with aclosing(run_concurrently(looks, profile.max_jobs)) as forecasts:
        async for forecast in forecasts:
            yield forecast


async def known_pace(principal: Principal, resources: Resources, name: str) -> Pace:
    """Return the pace of a profile's runs, or of all profiles' runs if it has archived nothing yet."""
    principal.require(Right.ARCHIVE, Right.MODIFY_PROFILES)
    async with resources.database.session() as session:
        profile = await profiles.find(session, name)
        own = await runs.pace(session, profile.id)
        return own if own.messages else await runs.pace(session, None)


def estimate_seconds(pace: Pace, messages: int, size: int) -> float | None:
    """Return how long archiving these messages and bytes takes at a pace; None if the pace is unknown."""
    if not pace.messages or not pace.bytes:
        return None
    return max(messages / pace.messages, size / pace.bytes) * pace.seconds


async def _forecast(resources: Resources, logins: Logins, mailbox: ProfileMailbox, now: datetime) -> Forecast:
    began = time.monotonic()
    found = Forecast(mailbox.user_name, mailbox.address)
    try:
        found = await retry_while_busy(partial(_look, resources, logins, mailbox, now))
    except MunimentError as error:
        found.error, found.hint = str(error), error.hint or ""
    found.seconds = time.monotonic() - began
    return found


async def _look(resources: Resources, logins: Logins, mailbox: ProfileMailbox, now: datetime) -> Forecast:
    profile = logins.profile
    async with resources.database.session() as db:
        known = await folders.of_mailbox(db, mailbox.mailbox_id, now) if mailbox.mailbox_id else []
    states = {state.wire_name: state for state in known}
    login = logins.of_mailbox(mailbox)
    session = await open_session(resources, login.server, login.credentials, mailbox.mailbox_id)
    visit = _Visit(resources, profile, session, now, Forecast(mailbox.user_name, mailbox.address))
    try:
        listed = await session.list_folders()
        effective = await asyncio.to_thread(effective_folders, listed, profile.folders, profile.server_kind)
        if profile.deletion and not session.eraser().is_exact and not profile.deletion.without_uidplus:
            visit.found.warnings.append(NO_UIDPLUS)
        visit.archived.extend(decision.folder for decision in effective if decision.is_archived)
        for folder in visit.archived:
            await visit.look_into(folder, states.get(folder.wire_name))
        await session.logout()
    finally:
        session.abort()
    return visit.found


@dataclass(frozen=True)
class _Visit:
    """A forecast in progress, with the session that it uses."""

    resources: Resources
    profile: Profile
    session: MailSession
    now: datetime
    found: Forecast
    archived: list[ServerFolder] = field(default_factory=list)

    async def look_into(self, folder: ServerFolder, state: FolderState | None) -> None:
        is_due = state is not None and self.resources.comparison.is_due(state, self.now)
        is_pop3 = self.profile.server.access.is_pop3
        stands = state is not None and not is_due and not is_pop3 and is_unmoved(folder.status, state)
        if stands and not self.profile.deletion:
            return
        try:
            uidvalidity = (await self.session.examine(folder)).uidvalidity
            if not stands:
                await self._count_new(folder, state, uidvalidity)
            if self.profile.deletion and state is not None and state.uidvalidity == uidvalidity and may_delete(state):
                async for choice in choose_deletions(self.resources, self.profile, self.session, state, self.now):
                    self.found.kept.update(choice.kept)
                    self.found.kept.update(SIZE_DIFFERS if one.announced else one.reason for one in choice.doubtful)
                    self.found.deletions += [
                        PlannedDeletion(folder.path, m.uid, m.size, m.sha256) for m in choice.messages
                    ]
        except CommandRefused as error:
            self.found.warnings.append(f"{'/'.join(folder.path)}: {error}")

    async def _count_new(self, folder: ServerFolder, state: FolderState | None, uidvalidity: int) -> None:
        found = self.found
        archived: set[int] = set()
        if state is not None and state.uidvalidity == uidvalidity:
            async with self.resources.database.session() as db:
                [held] = await folders.held(db, [(state.id, uidvalidity)], self.now)
            archived = set(held.archived)
        new = [uid for uid in await self.session.search_uids() if uid not in archived]
        elsewhere = labels_elsewhere(folder, self.archived, self.session.capabilities)
        todo = await filter_new_messages(self.session, self.profile, self.now, new, elsewhere=elsewhere)
        found.messages += len(todo)
        found.filtered += len(new) - len(todo)
        if state is not None and state.uidvalidity not in {0, uidvalidity}:
            found.renumbered += len(todo)
        sizes = await self._sizes(todo)
        found.bytes += sum(sizes.values())
        if self.profile.deletion and uidvalidity:
            await self._count_deletions(folder, todo, sizes)

    async def _count_deletions(self, folder: ServerFolder, todo: Sequence[int], sizes: dict[int, int]) -> None:
        """Add the messages that the run would archive first and then delete."""
        profile = self.profile
        async for uid, facts in message_facts(self.session, todo, with_head=profile.filter.needs_headers):
            reason = profile.deletion.keeps(facts, profile.filter, self.now)
            if reason:
                self.found.kept[reason] += 1
            else:
                self.found.deletions.append(PlannedDeletion(folder.path, uid, sizes.get(uid, 0), None))

    async def _sizes(self, uids: Sequence[int]) -> dict[int, int]:
        sizes: dict[int, int] = {}
        for start in range(0, len(uids), WINDOW):
            sizes |= await self.session.sizes(uids[start : start + WINDOW])
        return sizes
