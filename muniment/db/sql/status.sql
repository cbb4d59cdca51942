-- report_process --
-- Report that a process is alive; another pid under its name means that it was restarted
INSERT INTO processes (name, kind, host, pid, concurrency) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (name) DO UPDATE SET seen = now(), concurrency = excluded.concurrency, pid = excluded.pid,
    started = CASE WHEN processes.pid = excluded.pid THEN processes.started ELSE now() END;

-- forget_process --
-- Remove a process that ended
DELETE FROM processes WHERE name = $1;

-- forget_silent --
-- Remove processes that have been silent for a day
DELETE FROM processes WHERE seen < now() - interval '1 day';

-- processes --
-- All processes; they are alive if they reported within $1 seconds
SELECT name, kind, host, pid, concurrency, started, seen, now() - seen < make_interval(secs => $1) AS alive
FROM processes ORDER BY kind, name;

-- stale_mailboxes --
-- Archived mailboxes that a run has tried, without a proof, or that no run completed within $1 hours, or where UIDs of
-- a folder were last compared longer ago than this and than its interval and $2 hours. A version that did not know
-- `visited` renewed `proven`.
SELECT users.name AS user_name, address, proven, greatest(visited, proven) AS visited
FROM mailboxes JOIN users ON users.id = user_id
WHERE (proven IS NULL OR greatest(visited, proven) < now() - make_interval(secs => $1 * 3600)
       OR proven < now() - make_interval(secs => 3600 * greatest($1, $2 * (1 + stretch))))
  AND EXISTS (SELECT FROM jobs WHERE mailbox_id = mailboxes.id) AND is_archived(mailboxes)
ORDER BY proven NULLS FIRST, address LIMIT $3;

-- count_stale --
-- How many mailboxes `stale_mailboxes` has to list
SELECT count(*) FROM mailboxes
WHERE (proven IS NULL OR greatest(visited, proven) < now() - make_interval(secs => $1 * 3600)
       OR proven < now() - make_interval(secs => 3600 * greatest($1, $2 * (1 + stretch))))
  AND EXISTS (SELECT FROM jobs WHERE mailbox_id = mailboxes.id) AND is_archived(mailboxes);

-- proofs --
-- Archived mailboxes with a proof: how many there are, how old the oldest comparison of UIDs is, and in how many a
-- folder was last seen unchanged by STATUS only
SELECT count(*) AS mailboxes, min(proven) AS oldest, count(*) FILTER (WHERE visited > proven) AS by_status
FROM mailboxes WHERE proven IS NOT NULL AND is_archived(mailboxes);

-- totals --
-- What the archive holds, from running totals; only the quarantine, which is small, is counted
SELECT coalesce(sum(messages), 0)::bigint AS messages,
       coalesce(sum(entries), 0)::bigint AS entries,
       (SELECT count(*) FROM quarantine WHERE accepted IS NULL) AS quarantined,
       (SELECT count(*) FROM quarantine WHERE accepted IS NOT NULL) AS accepted,
       (SELECT count(DISTINCT mailboxes.id) FROM folders JOIN mailboxes ON mailboxes.id = mailbox_id
        WHERE missing > 0 AND vanished IS NULL AND is_archived(mailboxes)) AS incomplete,
       coalesce(sum(bytes), 0)::bigint AS bytes
FROM store_counts;

-- outbox_depth --
-- How many rows wait for the index, counted up to 10,000
SELECT count(*) FROM (SELECT FROM index_outbox LIMIT 10000) AS due;
