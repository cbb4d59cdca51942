-- known --
-- Which of these hashes the current store holds
SELECT sha256 FROM messages
WHERE store_id = (SELECT id FROM stores WHERE state = 'current') AND sha256 = ANY ($1::bytea[]);

-- add --
-- Store messages that the store lacks; sorted by hash, so that two workers cannot deadlock
INSERT INTO messages (store_id, sha256, size, message_id, subject, sender, recipients, date, raw_headers)
SELECT $1, given.* FROM unnest($2::bytea[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[],
                               $8::timestamptz[], $9::jsonb[])
  AS given (sha256, size, message_id, subject, sender, recipients, date, raw_headers)
ORDER BY given.sha256
ON CONFLICT DO NOTHING RETURNING id, sha256;

-- ids --
-- The ids of the messages with these hashes in a store
SELECT id, sha256 FROM messages WHERE store_id = $1 AND sha256 = ANY ($2::bytea[]);

-- claim_renumbered --
-- After a change of UIDVALIDITY, give entries of older numberings with the same content the new number, each at most
-- once and the most recently abandoned ones (the lowest) first; returns the UIDs that were recognised
WITH given AS (
    SELECT uid, sha256, row_number() OVER (PARTITION BY sha256 ORDER BY uid) AS nth
    FROM unnest($3::bigint[], $4::bytea[]) AS given (uid, sha256)
), old AS (
    SELECT entries.store_id, entries.uidvalidity, entries.uid, messages.sha256,
           row_number() OVER (PARTITION BY messages.sha256 ORDER BY entries.uidvalidity, entries.uid) AS nth
    FROM entries JOIN messages ON messages.id = entries.message_id AND messages.store_id = entries.store_id
    WHERE entries.folder_id = $1 AND entries.uidvalidity <> $2 AND messages.sha256 = ANY ($4::bytea[])
)
UPDATE entries SET uidvalidity = $2, uid = given.uid, gone = NULL FROM given JOIN old USING (sha256, nth)
WHERE entries.folder_id = $1 AND entries.store_id = old.store_id
  AND entries.uidvalidity = old.uidvalidity AND entries.uid = old.uid
RETURNING given.uid;

-- add_entries --
-- File messages, of which $9 with $10 bytes are new to the store, and add them to the totals; a trigger tells the index
WITH counts AS (
    INSERT INTO store_counts (store_id, messages, bytes, entries, documents)
    VALUES ($1, $9, $10, cardinality($4::bigint[]), 0)
)
INSERT INTO entries (store_id, folder_id, uidvalidity, uid, message_id, internal_date, flags, announced)
SELECT $1, folder_id, uidvalidity, uid, message_id, internal_date, string_to_array(flags, ' '), announced
FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::timestamptz[], $7::text[], $8::bigint[])
  AS given (folder_id, uidvalidity, uid, message_id, internal_date, flags, announced);

-- flag_substitutes --
-- Flag archived messages that the server delivered in place of others. Where that is certain ($5), the original is
-- missing: quarantine it, or count another attempt.
WITH given AS (
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::boolean[])
      AS given (folder_id, uidvalidity, uid, name, is_certain)
), flagged AS (
    UPDATE entries SET substitute = given.name FROM given
    WHERE entries.folder_id = given.folder_id AND entries.uidvalidity = given.uidvalidity AND entries.uid = given.uid
      AND entries.substitute IS DISTINCT FROM given.name
)
INSERT INTO quarantine (folder_id, uidvalidity, uid, reason, substitute)
SELECT folder_id, uidvalidity, uid, 'the server delivered a substitute: ' || name, name FROM given WHERE is_certain
ON CONFLICT (folder_id, uidvalidity, uid)
DO UPDATE SET reason = excluded.reason, substitute = excluded.substitute, last_tried = now(), retry = false,
              attempts = quarantine.attempts + 1;

-- supersede --
-- The originals of substitutes have arrived: the substitutes leave the UIDs to them and stay, under a numbering of our
-- own, as messages that are no longer on the server
UPDATE entries SET uidvalidity = (SELECT -nextval('numberings')), gone = coalesce(gone, now())
WHERE folder_id = $1 AND uidvalidity = $2 AND uid = ANY ($3::bigint[]) AND substitute IS NOT NULL;

-- forget_substitutes --
-- Remove substitutes from the quarantine whose originals have arrived
DELETE FROM quarantine WHERE folder_id = $1 AND uidvalidity = $2 AND uid = ANY ($3::bigint[]) AND substitute <> '';

-- file_copies --
-- File messages for their owners: once in each folder, and not if the same content came from that mailbox itself
WITH filed AS (
    INSERT INTO entries (store_id, folder_id, uidvalidity, uid, message_id, internal_date, flags)
    SELECT $1, folder_id, 0, nextval('distributed_uids'), message_id, internal_date, string_to_array(flags, ' ')
    FROM (SELECT DISTINCT ON (folder_id, message_id) *
          FROM unnest($2::bigint[], $3::bigint[], $4::timestamptz[], $5::text[])
            AS given (folder_id, message_id, internal_date, flags)) AS given
    WHERE NOT EXISTS (
        SELECT FROM messages JOIN messages AS same ON same.sha256 = messages.sha256
        JOIN entries AS other ON other.message_id = same.id AND other.store_id = same.store_id
        JOIN folders ON folders.id = other.folder_id JOIN folders AS target ON target.id = given.folder_id
        WHERE messages.id = given.message_id AND messages.store_id = $1 AND folders.mailbox_id = target.mailbox_id
          AND (folders.id = target.id OR NOT folders.distributed))
    RETURNING uid
)
INSERT INTO store_counts (store_id, messages, bytes, entries, documents) SELECT $1, 0, 0, count(*), 0 FROM filed;

-- wrap --
-- Keep what stood around messages that arrived in journal reports
UPDATE entries SET wrapper_begin = given.begin, wrapper_end = given.end_
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[], $5::bytea[])
  AS given (folder_id, uidvalidity, uid, begin, end_)
WHERE entries.folder_id = given.folder_id AND entries.uidvalidity = given.uidvalidity AND entries.uid = given.uid;

-- leave_unowned --
-- Record that messages have no owner, and when that was last found out
INSERT INTO unowned (folder_id, uidvalidity, uid)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[])
ON CONFLICT (folder_id, uidvalidity, uid) DO UPDATE SET last_tried = now();

-- quarantine --
-- Quarantine a message, or count another failed attempt; returns whether it is the first
INSERT INTO quarantine (folder_id, uidvalidity, uid, reason, size) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (folder_id, uidvalidity, uid)
DO UPDATE SET reason = excluded.reason, last_tried = now(), retry = false, attempts = quarantine.attempts + 1,
              size = coalesce(excluded.size, quarantine.size)
RETURNING id, attempts = 1 AS first;

-- forget_quarantine --
-- Remove messages from the quarantine that are archived now
DELETE FROM quarantine WHERE folder_id = $1 AND uidvalidity = $2 AND uid = ANY ($3::bigint[]);

-- forget_gone --
-- Remove messages from the quarantine that left the server, unless we have their bytes: the only copy stays
DELETE FROM quarantine WHERE folder_id = $1 AND uidvalidity = $2 AND uid = ANY ($3::bigint[])
  AND NOT EXISTS (SELECT FROM quarantine_parts WHERE quarantine_id = quarantine.id);

-- forget_old_numberings --
-- Remove messages of abandoned numberings from the quarantine, because their UIDs never come back; the only copy stays
DELETE FROM quarantine WHERE folder_id = $1 AND uidvalidity <> $2
  AND NOT EXISTS (SELECT FROM quarantine_parts WHERE quarantine_id = quarantine.id);

-- drop_quarantine_parts --
-- Delete the bytes of a message in quarantine, before newer ones replace them
DELETE FROM quarantine_parts WHERE quarantine_id = $1;

-- entries_of_folder --
-- The entries of a folder; an entry whose message is missing has no hash. $2: with former places. Older versions stored
-- \Recent, which says nothing about a message.
SELECT entries.store_id, entries.message_id, uidvalidity, uid, internal_date,
       array_remove(flags, '\Recent') AS flags, sha256, coalesce(size, 0) AS size
FROM entries LEFT JOIN messages ON messages.id = entries.message_id AND messages.store_id = entries.store_id
WHERE folder_id = $1 AND ($2 OR entries.gone IS NULL OR NOT is_former(entries)) ORDER BY uidvalidity, uid;

-- messages_after --
-- The next messages of the archive, in the order of the primary keys, so that stores are merged without sorting
SELECT store_id, id AS message_id, sha256, size FROM messages
WHERE (id, store_id) > ($1::bigint, $2::smallint) ORDER BY id, store_id LIMIT $3;

-- where_filed --
-- Every place of a message: user, mailbox, folder, UID
SELECT users.name AS user_name, mailboxes.address, path, uid
FROM entries JOIN folders ON folders.id = folder_id JOIN mailboxes ON mailboxes.id = mailbox_id
JOIN users ON users.id = mailboxes.user_id
WHERE entries.store_id = $1 AND entries.message_id = $2 ORDER BY 1, 2, 3, 4;

-- places --
-- Every present and former place of the messages with this hash, in the order in which they got there. \Recent is no
-- flag of a message.
SELECT messages.store_id, messages.id AS message_id, entries.folder_id, size, subject, sender, messages.date,
       users.name AS user_name, mailboxes.address, path, entries.uidvalidity, entries.uid,
       internal_date, array_remove(flags, '\Recent') AS flags, wrapper_begin, entries.archived, gone,
       gone IS NOT NULL AND is_former(entries) AS former,
       (SELECT coalesce(deleted, planned) FROM deletions
        WHERE deletions.folder_id = entries.folder_id AND deletions.uidvalidity = entries.uidvalidity
          AND deletions.uid = entries.uid AND deletions.sha256 = messages.sha256) AS deleted,
       substitute, announced
FROM messages JOIN entries ON entries.message_id = messages.id AND entries.store_id = messages.store_id
JOIN folders ON folders.id = folder_id JOIN mailboxes ON mailboxes.id = mailbox_id
JOIN users ON users.id = mailboxes.user_id
WHERE sha256 = $1 ORDER BY users.name, mailboxes.address, entries.archived, path, entries.uid;

-- entries_without_message --
-- Entries of these folders whose message is missing
SELECT users.name AS user_name, mailboxes.address, path, uid
FROM entries JOIN folders ON folders.id = folder_id JOIN mailboxes ON mailboxes.id = mailbox_id
JOIN users ON users.id = mailboxes.user_id
WHERE entries.folder_id = ANY ($1::bigint[]) AND NOT EXISTS (SELECT FROM messages
                  WHERE messages.id = entries.message_id AND messages.store_id = entries.store_id)
ORDER BY 1, 2, 3, 4;

-- ids_after --
-- The next messages of a store, in order: a page for comparing store and index
SELECT id FROM messages WHERE store_id = $1 AND id > $2 ORDER BY id LIMIT $3;

-- existing --
-- Which of these messages the store has
SELECT id FROM messages WHERE store_id = $1 AND id = ANY ($2::bigint[]);
