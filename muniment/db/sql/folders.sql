-- ensure --
-- Create folders of a mailbox that the archive does not know yet
INSERT INTO folders (mailbox_id, wire_name, path, uidvalidity)
SELECT $1, wire_name, string_to_array(path, chr(1)), uidvalidity
FROM unnest($2::bytea[], $3::text[], $4::bigint[]) AS given (wire_name, path, uidvalidity)
ON CONFLICT (mailbox_id, wire_name) DO NOTHING;

-- ensure_distributed --
-- Create folders for mail that is filed for its owners
INSERT INTO folders (mailbox_id, wire_name, path, distributed)
SELECT DISTINCT mailbox_id, wire_name, string_to_array(path, chr(1)), true
FROM unnest($1::bigint[], $2::bytea[], $3::text[]) AS given (mailbox_id, wire_name, path)
ON CONFLICT (mailbox_id, wire_name) DO NOTHING;

-- distributed_ids --
-- The ids of these folders
SELECT folders.id, folders.mailbox_id, folders.wire_name
FROM folders JOIN unnest($1::bigint[], $2::bytea[]) AS given (mailbox_id, wire_name)
  ON folders.mailbox_id = given.mailbox_id AND folders.wire_name = given.wire_name;

-- of_mailbox --
-- What the archive knows of each folder; quarantined: messages in quarantine to try again that were not tried since $2
SELECT id, wire_name, path, uidvalidity, last_uid, uidnext, messages, highestmodseq, renumbered, missing,
       proven, proven_run, vanished IS NOT NULL AS vanished, partial, flags_seen, flags_modseq,
       CASE WHEN refused >= $2 THEN refusal ELSE '' END AS refusal,
       (SELECT count(*) FROM quarantine
        WHERE folder_id = folders.id AND quarantine.uidvalidity = folders.uidvalidity AND last_tried < $2
          AND (quarantine.accepted IS NULL OR retry))
         AS quarantined
FROM folders WHERE mailbox_id = $1 AND NOT distributed ORDER BY id;

-- new_numbering --
-- Draw a UIDVALIDITY of our own, below 0, for a folder that has none or a new one
SELECT -nextval('numberings');

-- renumber --
-- The server gave the folder a new UIDVALIDITY: its UIDs start again, its messages stay. Only for the holder of the
-- lease.
WITH own AS (SELECT FROM jobs WHERE id = $1 AND fence = $2 AND state = 'running' FOR UPDATE)
UPDATE folders SET renumbered = renumbered OR uidvalidity <> 0, uidvalidity = $4, last_uid = 0,
                   proven = NULL, uidnext = NULL, messages = NULL, highestmodseq = NULL,
                   unmoved = NULL, flags_seen = NULL, flags_modseq = NULL
WHERE id = $3 AND EXISTS (SELECT FROM own) RETURNING id;

-- park_entries --
-- Move each numbering of these folders to a UIDVALIDITY of our own, so that the server, or another one, can use the old
-- numbers again without being mistaken. Messages that appear under new numbers are recognised by their content.
UPDATE entries SET uidvalidity = old.parked, gone = coalesce(gone, now()) FROM (
    SELECT folder_id, uidvalidity, -nextval('numberings') AS parked
    FROM (SELECT DISTINCT folder_id, uidvalidity FROM entries
          WHERE folder_id = ANY ($1::bigint[]) AND uidvalidity > 0) AS numbered) AS old
WHERE entries.folder_id = old.folder_id AND entries.uidvalidity = old.uidvalidity;

-- park_quarantine --
-- Move the numberings of what these folders have in quarantine, like `park_entries`
UPDATE quarantine SET uidvalidity = old.parked FROM (
    SELECT folder_id, uidvalidity, -nextval('numberings') AS parked
    FROM (SELECT DISTINCT folder_id, uidvalidity FROM quarantine
          WHERE folder_id = ANY ($1::bigint[]) AND uidvalidity > 0) AS numbered) AS old
WHERE quarantine.folder_id = old.folder_id AND quarantine.uidvalidity = old.uidvalidity;

-- held --
-- What the archive holds of these folders and numberings: archived UIDs, those that left the server, those in
-- quarantine that are not tried again (tried since $3, or accepted), those without an owner (tried since then, or no
-- user got an address since), those archived as substitutes, those to fetch again because of that (once a day), and
-- those whose absence is accepted
SELECT given.folder_id,
       array(SELECT uid FROM entries
             WHERE entries.folder_id = given.folder_id AND uidvalidity = numbering) AS archived,
       array(SELECT uid FROM entries
             WHERE entries.folder_id = given.folder_id AND uidvalidity = numbering AND gone IS NOT NULL) AS gone,
       array(SELECT uid FROM quarantine
             WHERE quarantine.folder_id = given.folder_id AND uidvalidity = numbering AND substitute = ''
               AND (last_tried >= $3 OR (accepted IS NOT NULL AND NOT retry))) AS quarantined,
       array(SELECT uid FROM unowned
             WHERE unowned.folder_id = given.folder_id AND uidvalidity = numbering
               AND last_tried >= least($3, (SELECT coalesce(max(added), '-infinity') FROM user_addresses))) AS unowned,
       array(SELECT uid FROM quarantine
             WHERE quarantine.folder_id = given.folder_id AND uidvalidity = numbering AND substitute <> '')
         AS substitutes,
       array(SELECT uid FROM quarantine
             WHERE quarantine.folder_id = given.folder_id AND uidvalidity = numbering AND substitute <> ''
               AND (retry OR (accepted IS NULL AND last_tried < least($3, now() - interval '1 day')))) AS again,
       array(SELECT uid FROM quarantine
             WHERE quarantine.folder_id = given.folder_id AND uidvalidity = numbering AND accepted IS NOT NULL)
         AS accepted
FROM unnest($1::bigint[], $2::bigint[]) AS given (folder_id, numbering);

-- prove --
-- Store completeness proofs, with the STATUS that they rest on; the job's progress in the same transaction checks the
-- lease
UPDATE folders SET proven = now(), proven_run = (SELECT run_id FROM jobs WHERE jobs.id = $7),
                   on_server = given.on_server, missing = given.missing, filtered = given.filtered,
                   accepted = given.accepted,
                   uidnext = given.uidnext, messages = given.messages, highestmodseq = given.highestmodseq,
                   refused = NULL, refusal = '', vanished = NULL, partial = given.partial, unmoved = NULL,
                   flags_seen = CASE WHEN given.flags_seen THEN now() ELSE folders.flags_seen END,
                   flags_modseq = CASE WHEN given.flags_seen THEN given.flags_modseq ELSE folders.flags_modseq END
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $8::bigint[],
            $9::bigint[], $10::text[], $11::boolean[], $12::bigint[])
  AS given (id, on_server, missing, uidnext, messages, highestmodseq, filtered, accepted, partial, flags_seen,
            flags_modseq)
WHERE folders.id = given.id;

-- set_gone --
-- Record that messages left their place on the server
UPDATE entries SET gone = now() WHERE folder_id = $1 AND uidvalidity = $2 AND uid = ANY ($3::bigint[]) AND gone IS NULL;

-- set_back --
-- Record that messages are at their place again: a server that hid them for a while did not say so
UPDATE entries SET gone = NULL WHERE folder_id = $1 AND uidvalidity = $2 AND uid = ANY ($3::bigint[]);

-- vanish --
-- Record that the server no longer lists these folders, so that none of their messages is at its place. Only for the
-- holder of the lease.
WITH own AS (SELECT FROM jobs WHERE id = $1 AND fence = $2 AND state = 'running' FOR UPDATE),
     lost AS (UPDATE folders SET vanished = now() WHERE id = ANY ($3::bigint[]) AND vanished IS NULL
              AND EXISTS (SELECT FROM own) RETURNING id)
UPDATE entries SET gone = now() WHERE folder_id IN (SELECT id FROM lost) AND gone IS NULL;

-- leave_all --
-- Record that everything left its place: a new numbering of our own begins, and what is still there is found by content
UPDATE entries SET gone = now() WHERE folder_id = $1 AND gone IS NULL;

-- refuse --
-- Record that the server refuses to open the folder; only for the holder of the lease
WITH own AS (SELECT FROM jobs WHERE id = $1 AND fence = $2 AND state = 'running' FOR UPDATE)
UPDATE folders SET refused = now(), refusal = $4 WHERE id = $3 AND EXISTS (SELECT FROM own) RETURNING id;

-- adopt_source --
-- Remember the server and account that the UIDs belong to; returns true if they belonged to another one before. Only
-- for the holder of the lease.
WITH own AS (SELECT FROM jobs WHERE id = $1 AND fence = $2 AND state = 'running' FOR UPDATE),
     old AS (SELECT source FROM mailboxes WHERE id = $3)
UPDATE mailboxes SET source = $4 WHERE id = $3 AND source IS DISTINCT FROM $4 AND EXISTS (SELECT FROM own)
RETURNING (SELECT source FROM old) IS NOT NULL AS moved;

-- numbered_folders --
-- The folders of a mailbox that have a numbering
SELECT id FROM folders WHERE mailbox_id = $1 AND uidvalidity <> 0;

-- forget_numbering --
-- Forget the numbering of all folders of a mailbox: the UIDs of another server can look like the old ones
UPDATE folders SET renumbered = true, uidvalidity = 0, last_uid = 0, proven = NULL, uidnext = NULL, messages = NULL,
                   highestmodseq = NULL, unmoved = NULL, flags_seen = NULL, flags_modseq = NULL
WHERE mailbox_id = $1 AND (uidvalidity <> 0 OR last_uid > 0);

-- ids_after --
-- The next folders of the archive, in order: a page for walking through all of them
SELECT id FROM folders WHERE id > $1 ORDER BY id LIMIT $2;

-- of_user --
-- The folders of a user's archive: the root folder (the mailbox's address), then the path on the server
SELECT folders.id, mailboxes.address, path FROM folders JOIN mailboxes ON mailboxes.id = mailbox_id
WHERE user_id = $1 ORDER BY mailboxes.address, path, folders.id;
