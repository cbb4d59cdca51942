"""Show the status of the whole system."""

from __future__ import annotations

from dataclasses import dataclass, field

from muniment.db import installation, quarantine, roles, status, stores
from muniment.db.roles import Separation
from muniment.db.stores import Store
from muniment.errors import BrokerUnavailable
from muniment.governor import ServerState
from muniment.jobs import Queue
from muniment.model.process_report import ProcessReport
from muniment.model.proof import MailboxProof, Proofs
from muniment.model.quarantined import EVERYTHING, QuarantineChoice, Quarantined
from muniment.sealing import UNBOUND
from muniment.services.access.audit import Action, audited
from muniment.services.access.principal import Principal, Right
from muniment.services.indexing.show_index import IndexStatus, show_index
from muniment.services.operating.show_governor import show_governor
from muniment.services.resources import Resources

#: A process without a report for this long shows as silent (seconds).
SILENCE_SECONDS = 45.0
_LISTED = 20


@dataclass(frozen=True)
class Status:
    """What an operator looks at first. Queue depths and mail servers are None if Redis does not respond.

    `unprotected_links`: a warning for each (`muniment.links`). `unbound_passwords`: those that an older version stored.
    """

    processes: list[ProcessReport]
    queues: dict[str, int | None]
    totals: status.Totals
    stores: list[Store]
    servers: list[ServerState] | None
    index: IndexStatus
    proofs: Proofs
    stale_count: int
    stale: list[MailboxProof]
    separation: Separation
    unprotected_links: list[str] = field(default_factory=list)
    unbound_passwords: int = 0


async def show_status(principal: Principal, resources: Resources) -> Status:
    """Gather the status once."""
    principal.require(Right.OPERATE, Right.PROCESS)
    queues = {queue.value: await _depth(resources, queue) for queue in Queue}
    servers = await show_governor(principal, resources)
    index = await show_index(principal, resources)
    hours = (resources.settings.stale_hours, resources.settings.compare_hours)
    async with resources.database.transaction(snapshot=True) as session:
        return Status(
            processes=await status.processes(session, SILENCE_SECONDS),
            queues=queues,
            totals=await status.totals(session),
            stores=await stores.list_all(session),
            servers=servers,
            index=index,
            proofs=await status.proofs(session),
            stale_count=await status.count_stale(session, *hours),
            stale=await status.stale_mailboxes(session, *hours, _LISTED),
            separation=await roles.separation(session),
            unprotected_links=resources.settings.check_links(),
            unbound_passwords=(await installation.sealed_by(session)).get(UNBOUND, 0),
        )


async def show_processes(principal: Principal, resources: Resources) -> list[ProcessReport]:
    """Return the processes that report."""
    principal.require(Right.OPERATE, Right.PROCESS)
    async with resources.database.session() as session:
        return await status.processes(session, SILENCE_SECONDS)


async def _depth(resources: Resources, queue: Queue) -> int | None:
    try:
        return await resources.queue.depth(queue)
    except BrokerUnavailable:
        return None


@audited(Action.QUARANTINE_LISTED)
async def list_quarantine(
    principal: Principal,
    resources: Resources,
    limit: int | None,
    *,
    choice: QuarantineChoice = EVERYTHING,
    accepted: bool = False,
) -> list[Quarantined]:
    """Return messages in quarantine, with the reasons; `accepted`: those that are accepted as missing."""
    principal.require(Right.OPERATE)
    async with resources.database.session() as session:
        return await quarantine.list_(session, choice, accepted=accepted, limit=limit)
