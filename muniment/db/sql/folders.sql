-- ensure --
INSERT INTO folders (mailbox_id, wire_name, path)
SELECT $1, wire_name, string_to_array(path, chr(1)) FROM unnest($2::bytea[], $3::text[]) AS given (wire_name, path)
ON CONFLICT (mailbox_id, wire_name) DO NOTHING;

-- of_mailbox --
-- What the archive knows of each folder; quarantined: those not tried since $2
SELECT id, wire_name, path, uidvalidity, last_uid, uidnext, messages, highestmodseq, renumbered, missing,
       proven, CASE WHEN refused >= $2 THEN refusal ELSE '' END AS refusal,
       (SELECT count(*) FROM quarantine
        WHERE folder_id = folders.id AND quarantine.uidvalidity = folders.uidvalidity AND last_tried < $2) AS quarantined
FROM folders WHERE mailbox_id = $1 ORDER BY id;

-- new_numbering --
-- A UIDVALIDITY of our own, below 0
SELECT -nextval('numberings');

-- renumber --
-- The server gave the folder a new UIDVALIDITY: its UIDs start again, its messages stay. The guard is the lease.
WITH own AS (SELECT FROM jobs WHERE id = $1 AND fence = $2 AND state = 'running' FOR UPDATE)
UPDATE folders SET renumbered = renumbered OR uidvalidity <> 0, uidvalidity = $4, last_uid = 0,
                   proven = NULL, uidnext = NULL, messages = NULL, highestmodseq = NULL
WHERE id = $3 AND EXISTS (SELECT FROM own) RETURNING id;

-- park_entries --
-- What a server numbered must never be taken for what it, or another one, numbers alike later: each numbering of
-- these folders gets one of our own
UPDATE entries SET uidvalidity = old.parked FROM (
    SELECT folder_id, uidvalidity, -nextval('numberings') AS parked
    FROM (SELECT DISTINCT folder_id, uidvalidity FROM entries
          WHERE folder_id = ANY ($1::bigint[]) AND uidvalidity > 0) AS numbered) AS old
WHERE entries.folder_id = old.folder_id AND entries.uidvalidity = old.uidvalidity;

-- park_quarantine --
UPDATE quarantine SET uidvalidity = old.parked FROM (
    SELECT folder_id, uidvalidity, -nextval('numberings') AS parked
    FROM (SELECT DISTINCT folder_id, uidvalidity FROM quarantine
          WHERE folder_id = ANY ($1::bigint[]) AND uidvalidity > 0) AS numbered) AS old
WHERE quarantine.folder_id = old.folder_id AND quarantine.uidvalidity = old.uidvalidity;

-- uids --
-- What the archive holds of this numbering, and what is in quarantine and was tried since $3
SELECT array(SELECT uid FROM entries WHERE folder_id = $1 AND uidvalidity = $2) AS archived,
       array(SELECT uid FROM quarantine WHERE folder_id = $1 AND uidvalidity = $2 AND last_tried >= $3) AS quarantined;

-- prove --
-- Store the completeness proof with the STATUS it stands on; the guard is the lease
WITH own AS (SELECT FROM jobs WHERE id = $1 AND fence = $2 AND state = 'running' FOR UPDATE)
UPDATE folders SET proven = now(), on_server = $4, missing = $5, uidnext = $6, messages = $7, highestmodseq = $8,
                   refused = NULL, refusal = ''
WHERE id = $3 AND EXISTS (SELECT FROM own) RETURNING id;

-- refuse --
-- The server does not open the folder; the guard is the lease
WITH own AS (SELECT FROM jobs WHERE id = $1 AND fence = $2 AND state = 'running' FOR UPDATE)
UPDATE folders SET refused = now(), refusal = $4 WHERE id = $3 AND EXISTS (SELECT FROM own) RETURNING id;

-- adopt_source --
-- Remember which server and account the UIDs belong to; true when they belonged to another until now.
-- The guard is the lease.
WITH own AS (SELECT FROM jobs WHERE id = $1 AND fence = $2 AND state = 'running' FOR UPDATE),
     old AS (SELECT source FROM mailboxes WHERE id = $3)
UPDATE mailboxes SET source = $4 WHERE id = $3 AND source IS DISTINCT FROM $4 AND EXISTS (SELECT FROM own)
RETURNING (SELECT source FROM old) IS NOT NULL AS moved;

-- numbered_folders --
SELECT id FROM folders WHERE mailbox_id = $1 AND uidvalidity <> 0;

-- forget_numbering --
-- Another server's UIDs may look like the old ones
UPDATE folders SET renumbered = true, uidvalidity = 0, last_uid = 0, proven = NULL, uidnext = NULL, messages = NULL,
                   highestmodseq = NULL
WHERE mailbox_id = $1 AND (uidvalidity <> 0 OR last_uid > 0);

-- ids_after --
SELECT id FROM folders WHERE id > $1 ORDER BY id LIMIT $2;

-- of_user --
-- Folders of a user's archive: root folder (mailbox address), then the server's path
SELECT folders.id, mailboxes.address, path FROM folders JOIN mailboxes ON mailboxes.id = mailbox_id
WHERE user_id = $1 ORDER BY mailboxes.address, path, folders.id;
