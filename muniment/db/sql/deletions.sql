-- candidates --
-- Archived messages of a folder, above UID $4, that we have not seen leave it, received before $3 (NULL: at any time; a
-- message without a date counts from its archiving)
SELECT uid, messages.store_id, messages.id AS message_id, sha256, size, wrapper_begin,
       entries.archived, entries.announced, entries.substitute,
       size + coalesce(length(wrapper_begin), 0) + coalesce(length(wrapper_end), 0) AS received
FROM entries JOIN messages ON messages.id = entries.message_id AND messages.store_id = entries.store_id
WHERE folder_id = $1 AND uidvalidity = $2 AND gone IS NULL AND uid > $4
  AND ($3::timestamptz IS NULL OR coalesce(internal_date, entries.archived) < $3)
ORDER BY uid LIMIT $5;

-- keep --
-- Record archived messages that stay on the server because something is wrong; only for the holder of the lease
INSERT INTO kept (folder_id, uidvalidity, uid, run_id, sha256, reason, announced, received)
SELECT $3, $4, uid, run_id, sha256, reason, announced, received
FROM (SELECT run_id FROM jobs WHERE id = $1 AND fence = $2 AND state = 'running') AS own
CROSS JOIN unnest($5::bigint[], $6::bytea[], $7::text[], $8::bigint[], $9::bigint[])
  AS given (uid, sha256, reason, announced, received)
ON CONFLICT (folder_id, uidvalidity, uid) DO UPDATE
SET run_id = excluded.run_id, sha256 = excluded.sha256, reason = excluded.reason, announced = excluded.announced,
    received = excluded.received, noted = now();

-- forget_kept --
-- Forget messages of a folder that earlier runs kept: this run deleted them, or has no reason to keep them
DELETE FROM kept WHERE folder_id = $2 AND run_id <> $1;

-- kept --
-- Archived messages that stay on the server although a rule matches, and that are still there; $1: only as of one run,
-- $2: only those of one mailbox
SELECT run_id, address, path, kept.uidvalidity, kept.uid, sha256, reason, kept.announced, received, noted
FROM kept JOIN folders ON folders.id = kept.folder_id JOIN mailboxes ON mailboxes.id = mailbox_id
WHERE ($1::bigint IS NULL OR run_id = $1) AND ($2::text IS NULL OR lower(address) = lower($2))
  AND EXISTS (SELECT FROM entries WHERE entries.folder_id = kept.folder_id AND gone IS NULL
                AND entries.uidvalidity = kept.uidvalidity AND entries.uid = kept.uid)
ORDER BY address, path, kept.uid LIMIT $3;

-- archived --
-- Which of these UIDs are archived
SELECT uid FROM entries WHERE folder_id = $1 AND uidvalidity = $2 AND uid = ANY ($3::bigint[]);

-- plan --
-- Record what the server is about to be told to delete; only for the holder of the lease
WITH own AS (SELECT run_id, mailbox_id FROM jobs WHERE id = $1 AND fence = $2 AND state = 'running' FOR UPDATE),
     rows AS (
         INSERT INTO deletions (run_id, mailbox_id, folder_id, uidvalidity, uid, sha256)
         SELECT run_id, mailbox_id, $3, $4, uid, sha256
         FROM own CROSS JOIN unnest($5::bigint[], $6::bytea[]) AS given (uid, sha256)
         ON CONFLICT (folder_id, uidvalidity, uid, sha256) DO UPDATE
         SET run_id = excluded.run_id, planned = excluded.planned
         WHERE deletions.deleted IS NULL)
SELECT run_id FROM own;

-- confirm --
-- Record that the server no longer lists these messages
WITH gone AS (
    UPDATE deletions SET deleted = now()
    WHERE folder_id = $3 AND uidvalidity = $4 AND uid = ANY ($5::bigint[]) AND deleted IS NULL RETURNING uid),
     left_ AS (
    UPDATE entries SET gone = now() FROM gone
    WHERE folder_id = $3 AND uidvalidity = $4 AND entries.uid = gone.uid AND entries.gone IS NULL)
UPDATE jobs SET deleted = jobs.deleted + (SELECT count(*) FROM gone) WHERE id = $1 AND fence = $2 RETURNING id;

-- confirm_earlier --
-- Confirm deletions whose worker died before it could: the archive part has since seen that the messages are gone
UPDATE deletions SET deleted = now() FROM entries
WHERE deletions.folder_id = ANY ($1::bigint[]) AND deleted IS NULL AND entries.folder_id = deletions.folder_id
  AND entries.uidvalidity = deletions.uidvalidity AND entries.uid = deletions.uid AND entries.gone IS NOT NULL;

-- asked --
-- Messages of a folder that the server was told to delete, without knowing what became of them
SELECT uid FROM deletions WHERE folder_id = $1 AND uidvalidity = $2 AND deleted IS NULL;

-- ledger --
-- The newest deletions first; $1: only those of one run, $2: only those of one mailbox
SELECT deletions.id, run_id, address, path, deletions.uidvalidity, uid, sha256, planned, deleted
FROM deletions JOIN folders ON folders.id = folder_id JOIN mailboxes ON mailboxes.id = deletions.mailbox_id
WHERE ($1::bigint IS NULL OR run_id = $1) AND ($2::text IS NULL OR lower(address) = lower($2))
ORDER BY deletions.id DESC LIMIT $3;
