-- add --
-- Start a run
INSERT INTO runs (profile_id, profile_name, warnings, scheduled, any_time) VALUES ($1, $2, $3, $4, $5) RETURNING id;

-- add_jobs_of_profile --
-- Give the run a job for each mailbox on the profile's list
INSERT INTO jobs (run_id, mailbox_id) SELECT $1, mailbox_id FROM profile_mailboxes WHERE profile_id = $2;

-- ensure_primary_mailboxes --
-- Create the mailbox of the primary address for every user that the profile archives
INSERT INTO mailboxes (user_id, address) SELECT user_id, address FROM everybody WHERE profile_id = $1
ON CONFLICT DO NOTHING;

-- add_jobs_of_everybody --
-- Give the run a job for the primary mailbox of every user that the profile archives
INSERT INTO jobs (run_id, mailbox_id)
SELECT $1, mailboxes.id FROM everybody JOIN mailboxes
  ON mailboxes.user_id = everybody.user_id AND lower(mailboxes.address) = lower(everybody.address)
WHERE profile_id = $2;

-- summaries --
-- Runs with their totals, the newest first; $1: only one of them
SELECT runs.id, runs.profile_name AS profile, runs.started, runs.finished, runs.warnings, runs.scheduled,
       CASE WHEN runs.incomplete AND runs.state = 'succeeded' THEN 'incomplete' ELSE runs.state END AS state,
       CASE WHEN runs.finished IS NULL AND runs.paused_until > now() THEN runs.paused_until END AS paused_until,
       count(jobs.id) AS total,
       count(*) FILTER (WHERE jobs.state = 'done') AS done,
       count(*) FILTER (WHERE jobs.state = 'failed') AS failed,
       count(*) FILTER (WHERE jobs.state = 'running') AS running,
       count(*) FILTER (WHERE jobs.state IN ('waiting', 'sent')) AS queued,
       count(*) FILTER (WHERE jobs.state = 'cancelled') AS cancelled,
       coalesce(sum(jobs.seen), 0)::bigint AS seen,
       coalesce(sum(jobs.archived), 0)::bigint AS archived,
       coalesce(sum(jobs.known), 0)::bigint AS known,
       coalesce(sum(jobs.quarantined), 0)::bigint AS quarantined,
       coalesce(sum(jobs.deleted), 0)::bigint AS deleted,
       coalesce(sum(jobs.filtered), 0)::bigint AS filtered,
       coalesce(sum(jobs.bytes), 0)::bigint AS bytes,
       sum(jobs.on_server)::bigint AS on_server,
       coalesce(sum(jobs.missing), 0)::bigint AS missing,
       coalesce(sum(jobs.accepted), 0)::bigint AS accepted,
       coalesce(sum(jobs.left_out), 0)::bigint AS left_out
FROM runs LEFT JOIN jobs ON jobs.run_id = runs.id
WHERE runs.id IN (SELECT id FROM runs WHERE $1::bigint IS NULL OR id = $1 ORDER BY id DESC LIMIT $2)
GROUP BY runs.id ORDER BY runs.id DESC;

-- pace --
-- How long the newest runs that archived something took; $1: of one profile, NULL: of all
SELECT coalesce(sum(archived), 0)::bigint AS messages, coalesce(sum(bytes), 0)::bigint AS bytes,
       coalesce(sum(seconds), 0)::float8 AS seconds
FROM (SELECT sum(jobs.archived) AS archived, sum(jobs.bytes) AS bytes,
             extract(epoch FROM runs.finished - runs.started) AS seconds
      FROM runs JOIN jobs ON jobs.run_id = runs.id
      WHERE runs.state IN ('succeeded', 'failed') AND ($1::bigint IS NULL OR runs.profile_id = $1)
        AND runs.id > (SELECT coalesce(max(id), 0) - 100 FROM runs)
      GROUP BY runs.id HAVING sum(jobs.archived) > 0 ORDER BY runs.id DESC LIMIT 5) AS newest;

-- failures --
-- The mailboxes that failed in a run, with the error and what to do
SELECT address AS mailbox, coalesce(error, '') AS error, coalesce(hint, '') AS hint
FROM jobs JOIN mailboxes ON mailboxes.id = mailbox_id
WHERE run_id = $1 AND jobs.state = 'failed' ORDER BY jobs.finished, jobs.id LIMIT $2;

-- notices --
-- Mailboxes with warnings, and mailboxes that wait for another attempt with the error of the last one
SELECT address AS mailbox, warnings, CASE WHEN jobs.state = 'failed' THEN '' ELSE coalesce(error, '') END AS error,
       odd_sizes, substitutes
FROM jobs JOIN mailboxes ON mailboxes.id = mailbox_id
WHERE run_id = $1 AND (warnings <> '{}' OR odd_sizes > 0 OR substitutes > 0
                       OR (error IS NOT NULL AND jobs.state <> 'failed'))
ORDER BY address LIMIT $2;

-- results --
-- What a run did with each mailbox; on_server is NULL as long as its job is not done
SELECT address AS mailbox, state, seen, archived, known, quarantined, filtered, deleted, bytes, on_server, missing,
       accepted, left_out, odd_sizes, substitutes
FROM jobs JOIN mailboxes ON mailboxes.id = mailbox_id WHERE run_id = $1 ORDER BY address, jobs.id;

-- cancel --
-- Ask a running run to stop
UPDATE runs SET state = 'cancelling' WHERE id = $1 AND state = 'running';

-- cancel_jobs --
-- Cancel jobs that no worker holds; workers cancel theirs at the next heartbeat
UPDATE jobs SET state = 'cancelled', finished = now(), lease_until = NULL
WHERE run_id = $1 AND state IN ('waiting', 'sent');

-- open_ids --
-- The runs that are not over
SELECT id FROM runs WHERE state IN ('running', 'cancelling') ORDER BY id;

-- lock --
-- Serialise the pumps of a run; returns its state, how many jobs may be in flight, and when it may go on
SELECT runs.state, coalesce((profiles.document->>'max_jobs')::integer, 10) AS max_jobs, runs.any_time,
       runs.paused_until, coalesce(profiles.document->'schedule', '{}') AS schedule, now() AS now
FROM runs LEFT JOIN profiles ON profiles.id = profile_id WHERE runs.id = $1 FOR UPDATE OF runs;

-- try_lock --
-- Like `lock`, but returns nothing if another pump holds the lock, or a worker that was stopped within one
SELECT runs.state, coalesce((profiles.document->>'max_jobs')::integer, 10) AS max_jobs, runs.any_time,
       runs.paused_until, coalesce(profiles.document->'schedule', '{}') AS schedule, now() AS now
FROM runs LEFT JOIN profiles ON profiles.id = profile_id WHERE runs.id = $1 FOR UPDATE OF runs SKIP LOCKED;

-- pause --
-- Pause the run until $2; NULL: it goes on
UPDATE runs SET paused_until = $2 WHERE id = $1 AND paused_until IS DISTINCT FROM $2;

-- is_any_time --
-- Whether the run ignores the profile's window
SELECT any_time FROM runs WHERE id = $1;

-- finish --
-- Close the run if no job is left; it has failed if at least one mailbox failed, and is incomplete if messages are
-- missing
UPDATE runs SET finished = now(), state = CASE
    WHEN state = 'cancelling' THEN 'cancelled'
    WHEN EXISTS (SELECT FROM jobs WHERE run_id = $1 AND state = 'failed') THEN 'failed'
    ELSE 'succeeded' END,
    incomplete = EXISTS (SELECT FROM jobs WHERE run_id = $1 AND missing > 0)
WHERE id = $1 AND state IN ('running', 'cancelling')
  -- Ordered like the partial indexes, so that the planner uses them. With EXISTS it expects to find such a job soon,
  -- and reads 100,000 finished ones.
  AND (SELECT id FROM jobs WHERE run_id = $1 AND state = 'waiting' ORDER BY not_before, id LIMIT 1) IS NULL
  AND (SELECT id FROM jobs WHERE run_id = $1 AND state IN ('sent', 'running') ORDER BY lease_until LIMIT 1) IS NULL
RETURNING CASE WHEN incomplete AND state = 'succeeded' THEN 'incomplete' ELSE state END;

-- master_look --
-- The result of looking at the privileged user's own mailbox, as long as it is fresh: the mailbox can get its first
-- message in the middle of a run. After a failure, nobody looks again for $2 seconds.
SELECT master_fingerprint AS fingerprint, master_failure AS failure, master_throttled AS throttled FROM runs
WHERE id = $1 AND master_looked > now() - CASE WHEN master_failure = '' THEN interval '1 minute'
                                               ELSE make_interval(secs => $2) END;

-- set_master_fingerprint --
-- Store what the privileged user's own mailbox looks like; $3: for the whole run
UPDATE runs SET master_fingerprint = $2, master_looked = CASE WHEN $3::boolean THEN 'infinity' ELSE now() END,
                master_failure = ''
WHERE id = $1;

-- fail_master_look --
-- Record that the privileged user's own mailbox could not be looked at
UPDATE runs SET master_looked = now(), master_failure = $2, master_throttled = $3 WHERE id = $1;
