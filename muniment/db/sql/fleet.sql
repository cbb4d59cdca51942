-- answer --
-- Prove that PostgreSQL answers
SELECT 1;

-- open_runs --
-- Open runs, with their mailboxes by state and what they have archived so far
SELECT runs.id, runs.profile_name AS profile, extract(epoch FROM now() - runs.started)::float8 AS age_seconds,
       -- nothing is overdue in a run that is paused
       count(*) FILTER (WHERE jobs.state IN ('waiting', 'sent')
                          AND (runs.paused_until IS NULL OR runs.paused_until < now())) AS queued,
       count(*) FILTER (WHERE jobs.state = 'running') AS running,
       count(*) FILTER (WHERE jobs.state = 'done') AS done,
       count(*) FILTER (WHERE jobs.state = 'failed') AS failed,
       coalesce(sum(jobs.seen), 0)::bigint AS messages, coalesce(sum(jobs.bytes), 0)::bigint AS bytes
FROM runs LEFT JOIN jobs ON jobs.run_id = runs.id
WHERE runs.state IN ('running', 'cancelling') GROUP BY runs.id ORDER BY runs.id;

-- last_runs --
-- The last run of each profile that came to its end. Jobs are counted only if one of them failed or lacks messages.
SELECT last.profile, extract(epoch FROM last.finished)::float8 AS finished,
       last.state = 'succeeded' AND NOT last.incomplete AS succeeded,
       CASE WHEN last.state = 'failed'
            THEN (SELECT count(*) FROM jobs WHERE run_id = last.id AND state = 'failed') ELSE 0 END AS failed,
       CASE WHEN last.incomplete
            THEN (SELECT coalesce(sum(missing), 0) FROM jobs WHERE run_id = last.id) ELSE 0 END::bigint AS missing
FROM profiles CROSS JOIN LATERAL (
    SELECT id, profile_name AS profile, finished, state, incomplete FROM runs
    WHERE profile_id = profiles.id AND state IN ('succeeded', 'failed') ORDER BY id DESC LIMIT 1) AS last
ORDER BY last.profile;

-- visit_lags --
-- How long ago a run last completed each archived mailbox, by comparisons or because STATUS was unchanged; counted like
-- `lags`
SELECT width_bucket(extract(epoch FROM now() - greatest(visited, proven))::float8, $1::float8[]) AS bucket,
       count(*) AS mailboxes, coalesce(sum(extract(epoch FROM now() - greatest(visited, proven))), 0)::float8 AS seconds
FROM mailboxes WHERE proven IS NOT NULL AND is_archived(mailboxes) GROUP BY 1 ORDER BY 1;

-- lags --
-- How long ago the oldest comparison of UIDs in each archived mailbox was, counted by upper bounds in seconds ($1,
-- ascending). Bucket 0 is within the first bound, the last bucket is beyond all of them. Mailboxes that were never
-- proven complete are left out.
SELECT width_bucket(extract(epoch FROM now() - proven)::float8, $1::float8[]) AS bucket, count(*) AS mailboxes,
       coalesce(sum(extract(epoch FROM now() - proven)), 0)::float8 AS seconds
FROM mailboxes WHERE proven IS NOT NULL AND is_archived(mailboxes) GROUP BY 1 ORDER BY 1;

-- longest_lags --
-- The mailboxes with the oldest comparison of UIDs; NULL: a run has tried, but there was never a proof
SELECT users.name AS user_name, address AS mailbox, extract(epoch FROM now() - proven)::float8 AS seconds
FROM mailboxes JOIN users ON users.id = user_id
WHERE (proven IS NOT NULL OR EXISTS (SELECT FROM jobs WHERE mailbox_id = mailboxes.id)) AND is_archived(mailboxes)
ORDER BY proven NULLS FIRST, mailboxes.id LIMIT $1;

-- never_proven --
-- How many archived mailboxes have been tried by a run but were never proven complete
SELECT count(*) FROM mailboxes
WHERE proven IS NULL AND EXISTS (SELECT FROM jobs WHERE mailbox_id = mailboxes.id) AND is_archived(mailboxes);

-- capacity --
-- The size and limits of PostgreSQL, and how long the oldest row that is not slow has
-- waited for the index
SELECT pg_database_size(current_database()) AS database_bytes,
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
       current_setting('max_connections')::int AS max_connections,
       greatest(0, extract(epoch FROM now()
           - (SELECT added FROM index_outbox WHERE NOT slow ORDER BY id LIMIT 1)))::float8
         AS outbox_seconds;
