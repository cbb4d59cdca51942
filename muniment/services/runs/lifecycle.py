"""Start, show and cancel runs."""

from __future__ import annotations

from dataclasses import dataclass, field

from muniment import log
from muniment.db import profiles, runs
from muniment.db.database import Session
from muniment.db.profiles import DueProfile
from muniment.errors import Conflict, Misconfigured, Permanent
from muniment.model.profile import Profile
from muniment.model.run import Failure, MailboxResult, Notice, Run
from muniment.services.access.audit import Action, act, audited
from muniment.services.access.principal import Principal, Right
from muniment.services.directories.sync import sync_directory
from muniment.services.resources import Resources
from muniment.services.runs.pump import pump

_log = log.get(__name__)


@dataclass(frozen=True)
class RunReport:
    """A run, its failed mailboxes, mailboxes with notices, and, if wanted, what it did with each mailbox."""

    run: Run
    failures: list[Failure]
    notices: list[Notice]
    results: list[MailboxResult] = field(default_factory=list)


@audited(Action.RUN_STARTED, "profile_name", details=("any_time",))
async def start_run(principal: Principal, resources: Resources, profile_name: str, *, any_time: bool = False) -> int:
    """Open a run of a profile with one job per mailbox, send the first jobs, and return the run's id.

    `any_time`: ignore the windows of the profile's schedule. Raises Conflict if the profile is running already, and
    Misconfigured if it has no mailbox.
    """
    principal.require(Right.ARCHIVE)
    async with resources.database.transaction() as session:
        profile = await profiles.find(session, profile_name)
        await profiles.lock(session, profile.id)  # a concurrent start waits here and then finds this run
        run_id = await _open_run(session, profile, any_time=any_time)
        details = {"run": run_id, "any_time": any_time}
        await act(session, principal, Action.RUN_STARTED, profile.name, details=details)
    await pump(resources, run_id)
    return run_id


async def start_due_runs(principal: Principal, resources: Resources) -> None:
    """Start the profiles that are due by their schedules.

    A missed time (no scheduler was up, no window was open, or the last run was still going) is made up for once. Two
    schedulers do not start a profile twice.
    """
    principal.require(Right.PROCESS)
    async with resources.database.session() as session:
        due = await profiles.due(session)
    for due_profile in due:
        if due_profile.schedule.is_open(due_profile.now):
            await _start_due(principal, resources, due_profile)


async def _start_due(principal: Principal, resources: Resources, due: DueProfile) -> None:
    following = due.schedule.after(due.now)
    try:
        async with resources.database.transaction() as session:
            if not await profiles.claim_due(session, due.id) or await profiles.open_run(session, due.id) is not None:
                return
            run_id = await _open_run(session, await profiles.find(session, due.name), scheduled=True)
            await profiles.set_due(session, due.id, following)
            details = {"run": run_id, "scheduled": True}
            await act(session, principal, Action.RUN_STARTED, due.name, details=details)
    except (Misconfigured, Permanent) as error:
        _log.warning("profile cannot run as scheduled", profile=due.name, error=str(error))
        async with resources.database.session() as session:
            await profiles.set_due(session, due.id, following, str(error))
    else:
        await pump(resources, run_id)


async def _open_run(session: Session, profile: Profile, *, scheduled: bool = False, any_time: bool = False) -> int:
    """Insert a run and its jobs; the caller holds the lock on the profile."""
    told = await sync_directory(session, profile)
    if not await profiles.count_mailboxes(session, profile.id):
        raise Misconfigured(
            f"profile {profile.name} has no mailbox to archive",
            hint="Add users with addresses (`muniment user add`) or name mailboxes with --mailboxes.",
        )
    running = await profiles.open_run(session, profile.id)
    if running is not None:
        raise Conflict(
            f"profile {profile.name} is running already (run {running})",
            hint=f"`muniment run show {running} --follow` shows it; `muniment run cancel {running}` stops it.",
        )
    run_id = await runs.add(session, profile, told, scheduled=scheduled, any_time=any_time)
    await runs.add_jobs(session, run_id, profile.id, everybody=profile.all_mailboxes)
    _log.info("run started", run=run_id, profile=profile.name, scheduled=scheduled)
    return run_id


async def show_run(
    principal: Principal, resources: Resources, run_id: int, *, most: int | None = None, results: bool = False
) -> RunReport:
    """Return a run with at most `most` failures and notices each (None: all); NotFound: no such run.

    `results`: also return what it did with each mailbox.
    """
    principal.require(Right.ARCHIVE, Right.OPERATE)
    async with resources.database.transaction(snapshot=True) as session:
        run = await runs.get(session, run_id)
        failures, notices = await runs.failures(session, run_id, most), await runs.notices(session, run_id, most)
        return RunReport(run, failures, notices, await runs.results(session, run_id) if results else [])


async def list_runs(principal: Principal, resources: Resources, limit: int) -> list[Run]:
    """Return the newest runs, newest first."""
    principal.require(Right.ARCHIVE, Right.OPERATE)
    async with resources.database.session() as session:
        return await runs.latest(session, limit)


@audited(Action.RUN_CANCELLED, "run_id")
async def cancel_run(principal: Principal, resources: Resources, run_id: int) -> Run:
    """Cancel a run and return it: waiting jobs end now, running ones at their next heartbeat.

    Archived messages stay, and a later run continues from there. Raises Conflict if the run is over.
    """
    principal.require(Right.ARCHIVE)
    async with resources.database.transaction() as session:
        run = await runs.get(session, run_id)
        if run.state.is_final:
            raise Conflict(f"run {run_id} is over: {run.state}")
        await runs.cancel(session, run_id)
        await act(session, principal, Action.RUN_CANCELLED, run.profile, details={"run": run_id})
    await pump(resources, run_id)  # closes the run if no worker holds a job
    async with resources.database.session() as session:
        return await runs.get(session, run_id)
