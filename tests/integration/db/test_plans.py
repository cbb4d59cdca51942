"""100,000 mailboxes: the scheduler's round and the pump find their jobs by index."""

from __future__ import annotations

import json
from typing import Any

import asyncpg

from muniment.db.sql import load

JOBS = load("jobs")
RUNS = load("runs")

#: A run in its middle: nearly all jobs done, some waiting, a few in flight.
FILL = """
INSERT INTO users (name) SELECT 'user ' || n FROM generate_series(1, 100000) AS n;
INSERT INTO mailboxes (user_id, address) SELECT id, name || '@example.com' FROM users;
INSERT INTO profiles (name, kind, host, port, access, accept_all_certificates, timeout_seconds, login, login_user,
                      password, all_mailboxes, max_jobs, allow_same_mailbox, no_master_mailbox)
VALUES ('p', 'master', 'h', 143, 'imap', false, 60, 'plain-authzid', 'u', '', true, 100, false, false);
INSERT INTO runs (profile_id, profile_name) VALUES (1, 'p');
INSERT INTO jobs (run_id, mailbox_id, state, lease_until, fingerprint)
SELECT 1, id,
       CASE WHEN id % 1000 = 0 THEN 'running' WHEN id % 1000 = 1 THEN 'sent' WHEN id > 90000 THEN 'waiting'
            WHEN id % 997 = 2 THEN 'failed' ELSE 'done' END,
       CASE WHEN id % 1000 < 2 THEN now() + interval '30 seconds' END,
       decode(md5(id::text), 'hex')
FROM mailboxes;
ANALYZE;
"""

QUERIES: dict[str, tuple[str, tuple[Any, ...]]] = {
    "in flight": (JOBS["in_flight"], (1,)),
    "send waiting": (JOBS["send_waiting"], (1, 20, 60.0)),
    "lease": (JOBS["lease"], (1001, "worker", 60.0)),
    "end stuck": (JOBS["end_stuck"], ([1],)),
    "progress": (JOBS["progress"], (1000, 0, 1, 1, 0, 0, 100, 60.0, [1], [10], 0, 0, 0)),
    "extend": (JOBS["extend"], (1000, 0, 60.0)),
    "release silent": (JOBS["release_silent"], ([1], 20)),
    "count sent": (JOBS["count_sent"], ([1],)),
    "resend lost": (JOBS["resend_lost"], ([1],)),
    "prolong sent": (JOBS["prolong_sent"], ([1], 60.0)),
    "similar fingerprints": (JOBS["similar_fingerprints"], (1, b"x", 5)),
    "is taken": (JOBS["is_taken"], (1001,)),
    "complete": (JOBS["complete"], (1000, 0, [], True, [], None, "worker", 60.0, [], 1)),
    "finish": (RUNS["finish"], (1,)),
}


#: Rows of jobs that a statement may read: what it works on, and the jobs in flight.
MOST_ROWS = 300


async def test_scheduler_and_pump_use_indexes(owner_url: str) -> None:
    """No statement that runs every second or for every slice reads more of the jobs than it works on."""
    connection = await asyncpg.connect(owner_url)
    try:
        await connection.execute(FILL)
        bad = {}
        for name, (query, arguments) in QUERIES.items():
            executed = [n for n in nodes(await plan_of(connection, query, arguments)) if n["Actual Loops"]]
            if trouble := [node for node in executed if reads_all_jobs(node)]:
                bad[name] = trouble
    finally:
        await connection.close()

    assert bad == {}


async def plan_of(
    connection: asyncpg.Connection[asyncpg.Record], query: str, arguments: tuple[Any, ...]
) -> dict[str, Any]:
    """Run a query and return its plan with what each node did; what it changed is rolled back."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        text = await connection.fetchval(f"EXPLAIN (FORMAT JSON, ANALYZE) {query}", *arguments)
    finally:
        await transaction.rollback()
    plan: dict[str, Any] = json.loads(text)[0]["Plan"]
    return plan


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a plan's nodes."""
    return [plan, *(node for inner in plan.get("Plans", []) for node in nodes(inner))]


def reads_all_jobs(node: dict[str, Any]) -> bool:
    """Tell whether a node went through the table of jobs."""
    removed = sum(int(node.get(f"Rows Removed by {what}", 0)) for what in ("Filter", "Index Recheck"))
    read = (node["Actual Rows"] + removed) * node["Actual Loops"]
    return node.get("Relation Name") == "jobs" and (node["Node Type"] == "Seq Scan" or read > MOST_ROWS)
