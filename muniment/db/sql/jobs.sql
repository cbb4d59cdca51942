-- in_flight --
-- How many jobs of a run are with the broker or with a worker
SELECT count(*) FROM jobs WHERE run_id = $1 AND state IN ('sent', 'running');

-- send_waiting --
-- Mark the next jobs as sent to the broker; the caller publishes them after the commit
UPDATE jobs SET state = 'sent', lease_until = now() + make_interval(secs => $3)
WHERE id IN (
    SELECT id FROM jobs WHERE run_id = $1 AND state = 'waiting' AND not_before <= now()
    ORDER BY not_before, id LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING id;

-- lease --
-- Lease a sent job to a worker; returns nothing if it cannot be leased (any more)
UPDATE jobs SET state = 'running', fence = fence + 1, worker = $2, started = coalesce(jobs.started, now()),
                lease_until = now() + make_interval(secs => $3), fingerprint = due.fingerprint
FROM leasable_jobs AS due WHERE due.id = $1 AND NOT due.is_taken AND jobs.id = due.id AND jobs.state = 'sent'
RETURNING jobs.id AS job_id, fence, jobs.run_id, run_started, profile_id, jobs.mailbox_id, address, user_name, source,
          due.fingerprint, is_named, login_user, password, own_server, attempt, broke_folder, breaks;

-- is_taken --
-- Whether a sent job cannot be leased because another run is archiving its mailbox without trouble
SELECT is_taken FROM leasable_jobs WHERE id = $1 AND state = 'sent';

-- extend --
-- Extend the lease and return the state of the run; returns nothing if the lease is lost
UPDATE jobs SET lease_until = clock_timestamp() + make_interval(secs => $3)
FROM runs WHERE jobs.id = $1 AND fence = $2 AND jobs.state = 'running' AND runs.id = run_id
RETURNING runs.state;

-- progress --
-- Guards every commit: counts what the transaction stores and moves the folders' cursors ($9, $10), for the newest
-- fence only. Returns the state of the run.
WITH moved AS (
    UPDATE folders SET last_uid = cursor FROM unnest($9::bigint[], $10::bigint[]) AS given (folder_id, cursor)
    WHERE id = folder_id AND last_uid < cursor)
UPDATE jobs SET seen = seen + $3, archived = archived + $4, known = known + $5, quarantined = quarantined + $6,
                bytes = bytes + $7, filtered = filtered + $12, attempt = 0, strikes = 0, losses = 0,
                breaks = breaks + $11, odd_sizes = odd_sizes + $13, error = NULL, hint = NULL,
                -- not now(): it is the time when the transaction began, and a huge message takes long
                lease_until = clock_timestamp() + make_interval(secs => $8)
FROM runs WHERE jobs.id = $1 AND fence = $2 AND jobs.state = 'running' AND runs.id = run_id RETURNING runs.state;

-- broke --
-- Record that the connection broke at a message (0: at its folder); returns how many times in a row it did so there
UPDATE jobs SET broke_folder = $3, broke_uid = $4,
                broke_times = CASE WHEN broke_folder = $3 AND broke_uid = $4 THEN broke_times + 1 ELSE 1 END
WHERE id = $1 AND fence = $2 AND state = 'running' RETURNING broke_times;

-- yield_slice --
-- End a slice of a job that has more to do
UPDATE jobs SET state = 'waiting', lease_until = NULL, not_before = now(), worker = NULL
WHERE id = $1 AND fence = $2 AND state = 'running' RETURNING id;

-- step_back --
-- End a slice because the mail server's connection limit is reached; the job comes back later
UPDATE jobs SET state = 'waiting', lease_until = NULL, worker = NULL, not_before = now() + make_interval(secs => $3),
                error = $4, hint = $5
WHERE id = $1 AND fence = $2 AND state = 'running' RETURNING id;

-- complete --
-- Finish a job. $4: every folder is complete; those in $5 were not opened, because their STATUS is that of their last
-- comparison, which they keep, and with it the mailbox; $6 is the mailbox's fingerprint, $9 are all folders that the
-- profile archives, $10 is the mailbox's stretch. In the same statement the worker $7 (NULL: none) gets the run's next
-- job, so that the number of jobs in flight stays the same; it gets none if that number is above the profile's present
-- limit.
WITH ended AS (
    UPDATE jobs SET state = 'done', lease_until = NULL, finished = now(), error = NULL, hint = NULL, warnings = $3,
                    on_server = held.on_server, missing = held.missing, accepted = held.accepted,
                    left_out = held.filtered, substitutes = held.substitutes
    FROM (SELECT coalesce(sum(on_server), 0) AS on_server, coalesce(sum(missing), 0) AS missing,
                 coalesce(sum(folders.accepted), 0) AS accepted, coalesce(sum(filtered), 0) AS filtered,
                 (SELECT count(*) FROM quarantine
                  WHERE folder_id = ANY ($9::bigint[]) AND substitute <> '' AND quarantine.accepted IS NULL)
                   AS substitutes
          FROM folders WHERE folders.id = ANY ($9::bigint[])) AS held
    WHERE jobs.id = $1 AND fence = $2 AND state = 'running' RETURNING jobs.id, run_id, mailbox_id
), oldest AS (
    SELECT min(folders.proven) AS proven FROM ended JOIN folders USING (mailbox_id)
    WHERE folders.id = ANY ($5::bigint[]) OR (proven_run = run_id AND NOT distributed)
), mailbox AS (
    UPDATE mailboxes SET proven = CASE WHEN $4 THEN coalesce(oldest.proven, now()) ELSE mailboxes.proven END,
                         visited = CASE WHEN $4 THEN now() ELSE visited END, fingerprint = $6, stretch = $10
    FROM ended, oldest WHERE mailboxes.id = mailbox_id
), unmoved AS (
    UPDATE folders SET unmoved = now() WHERE id = ANY ($5::bigint[]) AND EXISTS (SELECT FROM ended)
), next AS (
    SELECT jobs.id FROM ended JOIN jobs USING (run_id)
    WHERE $7::text IS NOT NULL AND jobs.state = 'waiting' AND not_before <= now()
      AND (SELECT count(*) FROM jobs AS busy WHERE busy.run_id = ended.run_id AND busy.state IN ('sent', 'running'))
          <= (SELECT (document->>'max_jobs')::integer
              FROM runs JOIN profiles ON profiles.id = profile_id WHERE runs.id = ended.run_id)
    ORDER BY not_before, id LIMIT 1 FOR UPDATE OF jobs SKIP LOCKED
), leased AS (
    UPDATE jobs SET state = 'running', fence = fence + 1, worker = $7, started = coalesce(jobs.started, now()),
                    lease_until = now() + make_interval(secs => $8),
                    fingerprint = due.fingerprint
    FROM next JOIN leasable_jobs AS due USING (id) WHERE NOT due.is_taken AND jobs.id = due.id
    RETURNING jobs.id AS job_id, fence, jobs.run_id, run_started, profile_id, jobs.mailbox_id, address, user_name,
              source, due.fingerprint, is_named, login_user, password, own_server, attempt, broke_folder, breaks
)
SELECT leased.* FROM ended LEFT JOIN leased ON true;

-- postpone --
-- Retry later, and record why. The failure adds $3 strikes; the job fails with the one that brings it to $7.
UPDATE jobs SET state = CASE WHEN strikes + $3 >= $7 THEN 'failed' ELSE 'waiting' END,
                finished = CASE WHEN strikes + $3 >= $7 THEN now() END,
                lease_until = NULL, worker = NULL, attempt = attempt + 1, strikes = strikes + $3,
                not_before = now() + make_interval(secs => $4), error = $5, hint = $6
WHERE id = $1 AND fence = $2 AND state = 'running' RETURNING state;

-- fail --
-- End a job that cannot succeed until somebody acts
UPDATE jobs SET state = 'failed', lease_until = NULL, finished = now(), attempt = attempt + 1, error = $3, hint = $4
WHERE id = $1 AND fence = $2 AND state = 'running' RETURNING id;

-- stop_cancelled --
-- End a job whose run was cancelled
UPDATE jobs SET state = 'cancelled', lease_until = NULL, finished = now()
WHERE id = $1 AND fence = $2 AND state = 'running' RETURNING id;

-- delay_busy --
-- Come back later: another run is archiving the mailbox
UPDATE jobs SET state = 'waiting', lease_until = NULL, not_before = now() + make_interval(secs => $2)
WHERE id = $1 AND state = 'sent';

-- count_sent --
-- How many jobs of these runs are with the broker
SELECT count(*) FROM jobs WHERE state = 'sent' AND run_id = ANY ($1::bigint[]);

-- resend_lost --
-- Return jobs to the queue that the broker must have lost
UPDATE jobs SET state = 'waiting', lease_until = NULL, not_before = now()
WHERE state = 'sent' AND run_id = ANY ($1::bigint[]) AND lease_until < now() RETURNING id;

-- prolong_sent --
-- Give sent jobs more time: the broker still holds as many tasks as were sent, so the queue is long and nothing is lost
UPDATE jobs SET lease_until = now() + make_interval(secs => $2)
WHERE state = 'sent' AND run_id = ANY ($1::bigint[]) AND lease_until < now();

-- end_stuck --
-- A worker that was stopped in the middle of a COPY keeps its locks, and no time-out of PostgreSQL ends it. For workers
-- whose leases have all expired, end the transactions that began before: they can only fail, and others wait for them.
-- Run this before `release_silent`, which forgets whose the jobs were.
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity JOIN (
    SELECT worker, max(lease_until) AS silent_since FROM jobs WHERE state = 'running' AND run_id = ANY ($1::bigint[])
    GROUP BY worker HAVING max(lease_until) < now()) AS silent ON application_name = worker
WHERE datname = current_database() AND xact_start < silent_since;

-- release_silent --
-- Return jobs of silent workers to the queue, or fail them if that happened too often without progress. A locked job is
-- left for the next time: its worker is committing, or was stopped within a commit.
UPDATE jobs SET losses = losses + 1, lease_until = NULL, worker = NULL,
    not_before = now(),
    state = CASE WHEN runs.state = 'cancelling' THEN 'cancelled' WHEN losses + 1 >= $2 THEN 'failed' ELSE 'waiting' END,
    finished = CASE WHEN runs.state = 'cancelling' OR losses + 1 >= $2 THEN now() END,
    error = CASE WHEN losses + 1 >= $2 THEN 'the worker died ' || losses + 1 || ' times at this mailbox' END,
    hint = CASE WHEN losses + 1 >= $2 THEN 'Look at the archive workers'' logs; is their memory limit too low?' END
FROM runs
WHERE runs.id = run_id AND jobs.id IN (
    SELECT id FROM jobs WHERE state = 'running' AND run_id = ANY ($1::bigint[]) AND lease_until < now()
    FOR UPDATE SKIP LOCKED)
RETURNING jobs.id;

-- set_fingerprint --
-- Remember what the server opened for the mailbox of a running job
UPDATE jobs SET fingerprint = $3 WHERE id = $1 AND fence = $2 AND state = 'running' RETURNING id;

-- similar_fingerprints --
-- Other mailboxes of this run for which the server opened a mailbox with the same oldest message
SELECT address, jobs.fingerprint FROM jobs JOIN mailboxes ON mailboxes.id = mailbox_id
WHERE run_id = $1 AND substr(jobs.fingerprint, 1, 32) = substr($2::bytea, 1, 32) AND jobs.id <> $3 ORDER BY jobs.id;
