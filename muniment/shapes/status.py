"""JSON of the installation's state."""

from __future__ import annotations

from muniment.db.stores import Store
from muniment.model.process_report import ProcessReport
from muniment.model.proof import MailboxProof
from muniment.services.operating.show_status import Status
from muniment.shapes.index import index_shape
from muniment.shapes.proofs import proofs_shape
from muniment.shapes.servers import server_shape
from muniment.shapes.values import utc


def status_shape(found: Status) -> dict[str, object]:
    """`processes[{name, kind, host, pid, concurrency, started, seen, alive}]`, `queues{archive, index}` (waiting tasks;
    null if Redis does not respond), `servers[…]` (as in `server list`; null if Redis does not respond),
    `archive{messages, entries, bytes, quarantined, accepted, incomplete_mailboxes}` (accepted: in quarantine with an
    administrator's consent; incomplete_mailboxes: those that lacked messages at their last proof),
    `stores[{id, name, state, created, messages, entries, bytes}]`, `index{…}` (as in `index status`),
    `proofs{mailboxes, oldest, by_status}` (mailboxes that were proven complete; the oldest comparison of UIDs among
    them; in how many a folder was not compared since, but its STATUS is unchanged),
    `stale{count, mailboxes[{user, mailbox, proven, visited}]}` (those with the oldest proof; proven: no folder's UIDs
    were compared longer ago; visited: the last run that compared every folder or saw its STATUS unchanged),
    `database{role, owner, problems[]}` (the role that Muniment works as, the one that owns the tables, and what that
    leaves unprotected), `unprotected_links` (a warning for each), `unbound_passwords` (how many an older version
    stored).
    """
    totals = found.totals
    return {
        "processes": [_process_shape(process) for process in found.processes],
        "queues": found.queues,
        "servers": None if found.servers is None else [server_shape(server) for server in found.servers],
        "archive": {
            "messages": totals.messages,
            "entries": totals.entries,
            "bytes": totals.bytes,
            "quarantined": totals.quarantined,
            "accepted": totals.accepted,
            "incomplete_mailboxes": totals.incomplete,
        },
        "stores": [_store_shape(store) for store in found.stores],
        "index": index_shape(found.index),
        "proofs": proofs_shape(found.proofs),
        "stale": {"count": found.stale_count, "mailboxes": [_stale_shape(mailbox) for mailbox in found.stale]},
        "database": {
            "role": found.separation.role,
            "owner": found.separation.owner,
            "problems": found.separation.problems,
        },
        "unprotected_links": found.unprotected_links,
        "unbound_passwords": found.unbound_passwords,
    }


def _store_shape(store: Store) -> dict[str, object]:
    return {
        "id": store.id,
        "name": store.name,
        "state": store.state,
        "created": utc(store.created),
        "messages": store.messages,
        "entries": store.entries,
        "bytes": store.bytes,
    }


def _stale_shape(mailbox: MailboxProof) -> dict[str, object]:
    return {
        "user": mailbox.user_name,
        "mailbox": mailbox.address,
        "proven": utc(mailbox.proven),
        "visited": utc(mailbox.visited),
    }


def _process_shape(process: ProcessReport) -> dict[str, object]:
    return {
        "name": process.name,
        "kind": process.kind,
        "host": process.host,
        "pid": process.pid,
        "concurrency": process.concurrency,
        "started": utc(process.started),
        "seen": utc(process.seen),
        "alive": process.alive,
    }
