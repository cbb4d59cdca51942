-- list --
-- Messages in quarantine with the reason, the oldest first. $1: these ids (NULL: all); $2: of this mailbox; $3: only
-- substitutes; $4: accepted ones or (false) the others (NULL: both).
SELECT quarantine.id, users.name AS user_name, address, path, quarantine.uidvalidity, quarantine.uid, reason,
       first_seen, last_tried, attempts, quarantine.substitute, filed.sha256,
       coalesce(filed.size, quarantine.size, (SELECT sum(length(data)) FROM quarantine_parts
                             WHERE quarantine_id = quarantine.id))::bigint AS size,
       retry, quarantine.accepted, accepted_by, acceptance
FROM quarantine JOIN folders ON folders.id = folder_id JOIN mailboxes ON mailboxes.id = mailbox_id
JOIN users ON users.id = mailboxes.user_id
LEFT JOIN LATERAL (
    SELECT sha256, size FROM entries
    JOIN messages ON messages.id = entries.message_id AND messages.store_id = entries.store_id
    WHERE quarantine.substitute <> '' AND entries.folder_id = quarantine.folder_id
      AND entries.uidvalidity = quarantine.uidvalidity AND entries.uid = quarantine.uid) AS filed ON true
WHERE ($1::bigint[] IS NULL OR quarantine.id = ANY ($1)) AND ($2::text IS NULL OR lower(address) = lower($2))
  AND (NOT $3::boolean OR quarantine.substitute <> '')
  AND ($4::boolean IS NULL OR (quarantine.accepted IS NOT NULL) = $4)
ORDER BY quarantine.id LIMIT $5;

-- accept --
-- Record that somebody accepts that these messages are missing, and why
UPDATE quarantine SET accepted = now(), accepted_by = $2, acceptance = $3, retry = false WHERE id = ANY ($1::bigint[]);

-- retry --
-- Have the next run try these messages again, accepted or not
UPDATE quarantine SET retry = true, accepted = NULL, accepted_by = NULL, acceptance = NULL
WHERE id = ANY ($1::bigint[]);

-- profiles --
-- The profiles that archived the mailboxes of these messages last
SELECT DISTINCT last.name FROM quarantine JOIN folders ON folders.id = folder_id
CROSS JOIN LATERAL (
    SELECT profiles.name FROM jobs JOIN runs ON runs.id = run_id JOIN profiles ON profiles.id = profile_id
    WHERE jobs.mailbox_id = folders.mailbox_id ORDER BY jobs.id DESC LIMIT 1) AS last
WHERE quarantine.id = ANY ($1::bigint[]) ORDER BY 1;

-- parts --
-- The stored bytes of a message that arrived and could not be archived
SELECT codec, data FROM quarantine_parts WHERE quarantine_id = $1 ORDER BY part;

-- content --
-- Where a substitute is stored
SELECT entries.store_id, entries.message_id, sha256, messages.size FROM quarantine
JOIN entries ON entries.folder_id = quarantine.folder_id AND entries.uidvalidity = quarantine.uidvalidity
            AND entries.uid = quarantine.uid
JOIN messages ON messages.id = entries.message_id AND messages.store_id = entries.store_id
WHERE quarantine.id = $1 AND quarantine.substitute <> '';
