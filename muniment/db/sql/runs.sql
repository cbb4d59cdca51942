-- add --
INSERT INTO runs (profile_id, profile_name, warnings, scheduled, any_time) VALUES ($1, $2, $3, $4, $5) RETURNING id;

-- add_jobs_of_profile --
INSERT INTO jobs (run_id, mailbox_id) SELECT $1, mailbox_id FROM profile_mailboxes WHERE profile_id = $2;

-- ensure_primary_mailboxes --
-- Every user that the profile archives has a mailbox named by the primary address
INSERT INTO mailboxes (user_id, address) SELECT user_id, address FROM everybody WHERE profile_id = $1
ON CONFLICT DO NOTHING;

-- add_jobs_of_everybody --
INSERT INTO jobs (run_id, mailbox_id)
SELECT $1, mailboxes.id FROM everybody JOIN mailboxes
  ON mailboxes.user_id = everybody.user_id AND lower(mailboxes.address) = lower(everybody.address)
WHERE profile_id = $2;

-- summaries --
-- Runs with their counts, newest first; all, or one
SELECT runs.id, runs.profile_name AS profile, runs.state, runs.started, runs.finished, runs.warnings,
       runs.scheduled, CASE WHEN runs.finished IS NULL AND runs.paused_until > now() THEN runs.paused_until END AS paused_until,
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
       coalesce(sum(jobs.bytes), 0)::bigint AS bytes
FROM runs LEFT JOIN jobs ON jobs.run_id = runs.id
WHERE runs.id IN (SELECT id FROM runs WHERE $1::bigint IS NULL OR id = $1 ORDER BY id DESC LIMIT $2)
GROUP BY runs.id ORDER BY runs.id DESC;

-- pace --
-- What the newest runs that archived something took, of a profile ($1), or of all profiles (NULL)
SELECT coalesce(sum(archived), 0)::bigint AS messages, coalesce(sum(bytes), 0)::bigint AS bytes,
       coalesce(sum(seconds), 0)::float8 AS seconds
FROM (SELECT sum(jobs.archived) AS archived, sum(jobs.bytes) AS bytes,
             extract(epoch FROM runs.finished - runs.started) AS seconds
      FROM runs JOIN jobs ON jobs.run_id = runs.id
      WHERE runs.state IN ('succeeded', 'failed') AND ($1::bigint IS NULL OR runs.profile_id = $1)
        AND runs.id > (SELECT coalesce(max(id), 0) - 100 FROM runs)
      GROUP BY runs.id HAVING sum(jobs.archived) > 0 ORDER BY runs.id DESC LIMIT 5) AS newest;

-- failures --
SELECT address AS mailbox, coalesce(error, '') AS error, coalesce(hint, '') AS hint
FROM jobs JOIN mailboxes ON mailboxes.id = mailbox_id
WHERE run_id = $1 AND jobs.state = 'failed' ORDER BY jobs.finished, jobs.id LIMIT $2;

-- notices --
-- Mailboxes with warnings, and those waiting for another try with what went wrong
SELECT address AS mailbox, warnings, CASE WHEN jobs.state = 'failed' THEN '' ELSE coalesce(error, '') END AS error
FROM jobs JOIN mailboxes ON mailboxes.id = mailbox_id
WHERE run_id = $1 AND (warnings <> '{}' OR (error IS NOT NULL AND jobs.state <> 'failed')) ORDER BY address LIMIT $2;

-- cancel --
UPDATE runs SET state = 'cancelling' WHERE id = $1 AND state = 'running';

-- cancel_jobs --
-- Jobs that no worker holds are cancelled at once; the others at their next heartbeat
UPDATE jobs SET state = 'cancelled', finished = now(), lease_until = NULL
WHERE run_id = $1 AND state IN ('waiting', 'sent');

-- open_ids --
SELECT id FROM runs WHERE state IN ('running', 'cancelling') ORDER BY id;

-- lock --
-- Serialises the pumps of a run; returns its state, how many jobs may be in flight, and when it may go on
SELECT runs.state, coalesce(profiles.max_jobs, 10) AS max_jobs, runs.any_time, runs.paused_until,
       coalesce(profiles.schedule, '{}') AS schedule, now() AS now
FROM runs LEFT JOIN profiles ON profiles.id = profile_id WHERE runs.id = $1 FOR UPDATE OF runs;

-- try_lock --
-- Like lock, but returns nothing when another pump is at work, or a worker that stopped within one
SELECT runs.state, coalesce(profiles.max_jobs, 10) AS max_jobs, runs.any_time, runs.paused_until,
       coalesce(profiles.schedule, '{}') AS schedule, now() AS now
FROM runs LEFT JOIN profiles ON profiles.id = profile_id WHERE runs.id = $1 FOR UPDATE OF runs SKIP LOCKED;

-- pause --
-- NULL: it goes on
UPDATE runs SET paused_until = $2 WHERE id = $1 AND paused_until IS DISTINCT FROM $2;

-- is_any_time --
SELECT any_time FROM runs WHERE id = $1;

-- finish --
-- Close the run when no job is left; failed as soon as one mailbox failed
UPDATE runs SET finished = now(), state = CASE
    WHEN state = 'cancelling' THEN 'cancelled'
    WHEN EXISTS (SELECT FROM jobs WHERE run_id = $1 AND state = 'failed') THEN 'failed'
    ELSE 'succeeded' END
WHERE id = $1 AND state IN ('running', 'cancelling')
  -- In the order of the partial indexes: for EXISTS the planner hopes to meet such a job soon, and reads
  -- 100,000 that are done.
  AND (SELECT id FROM jobs WHERE run_id = $1 AND state = 'waiting' ORDER BY not_before, id LIMIT 1) IS NULL
  AND (SELECT id FROM jobs WHERE run_id = $1 AND state IN ('sent', 'running') ORDER BY lease_until LIMIT 1) IS NULL
RETURNING state;

-- master_look --
-- Only a fresh one: his mailbox may get its first message in the middle of a run. A failure keeps others from trying
-- for $2 seconds.
SELECT master_fingerprint AS fingerprint, master_failure AS failure, master_throttled AS throttled FROM runs
WHERE id = $1 AND master_looked > now() - CASE WHEN master_failure = '' THEN interval '1 minute'
                                               ELSE make_interval(secs => $2) END;

-- set_master_fingerprint --
UPDATE runs SET master_fingerprint = $2, master_looked = CASE WHEN $3::boolean THEN 'infinity' ELSE now() END,
                master_failure = ''
WHERE id = $1;

-- fail_master_look --
UPDATE runs SET master_looked = now(), master_failure = $2, master_throttled = $3 WHERE id = $1;
