-- report_process --
INSERT INTO processes (name, kind, host, pid, concurrency) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (name) DO UPDATE SET seen = now(), concurrency = excluded.concurrency, pid = excluded.pid,
    started = CASE WHEN processes.pid = excluded.pid THEN processes.started ELSE now() END;

-- forget_process --
DELETE FROM processes WHERE name = $1;

-- forget_silent --
DELETE FROM processes WHERE seen < now() - interval '1 day';

-- processes --
SELECT name, kind, host, pid, concurrency, started, seen, now() - seen < make_interval(secs => $1) AS alive
FROM processes ORDER BY kind, name;

-- stale_mailboxes --
-- Mailboxes that a profile archives and a run has tried, whose last completeness proof is older than so many hours,
-- or that have none
SELECT users.name AS user_name, address, proven FROM mailboxes JOIN users ON users.id = user_id
WHERE (proven IS NULL OR proven < now() - make_interval(secs => $1 * 3600))
  AND EXISTS (SELECT FROM jobs WHERE mailbox_id = mailboxes.id) AND is_archived(mailboxes)
ORDER BY proven NULLS FIRST, address LIMIT $2;

-- count_stale --
SELECT count(*) FROM mailboxes
WHERE (proven IS NULL OR proven < now() - make_interval(secs => $1 * 3600))
  AND EXISTS (SELECT FROM jobs WHERE mailbox_id = mailboxes.id) AND is_archived(mailboxes);

-- totals --
-- Counted is only what should be few; the rest every transaction has added up
SELECT coalesce(sum(messages), 0)::bigint AS messages,
       coalesce(sum(entries), 0)::bigint AS entries, (SELECT count(*) FROM quarantine) AS quarantined,
       coalesce(sum(bytes), 0)::bigint AS bytes
FROM store_counts;

-- outbox_depth --
SELECT count(*) FROM (SELECT FROM index_outbox LIMIT 10000) AS due;

-- quarantine_list --
SELECT users.name AS user_name, address, path, uid, reason, first_seen, last_tried, attempts
FROM quarantine JOIN folders ON folders.id = folder_id JOIN mailboxes ON mailboxes.id = mailbox_id
JOIN users ON users.id = mailboxes.user_id ORDER BY quarantine.id LIMIT $1;
