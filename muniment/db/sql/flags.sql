-- follow --
-- Give archived messages the flags that the server reports, and keep those from before; returns how many changed. Flags
-- are sets: their order means nothing. \Recent is no flag of a message, and older versions stored it; a message that
-- differs in nothing else is left as it is, because changing millions would index them again. A trigger tells the
-- index.
WITH told AS (
    SELECT uid, string_to_array(flags, ' ') AS flags FROM unnest($3::bigint[], $4::text[]) AS given (uid, flags)
), changed AS (
    SELECT entries.store_id, entries.uid, entries.message_id, array_remove(entries.flags, '\Recent') AS before,
           told.flags AS after
    FROM told JOIN entries ON entries.folder_id = $1 AND entries.uidvalidity = $2 AND entries.uid = told.uid
    WHERE NOT (array_remove(entries.flags, '\Recent') @> told.flags
               AND array_remove(entries.flags, '\Recent') <@ told.flags)
), history AS (
    INSERT INTO flag_changes (folder_id, before, after, message_ids)
    SELECT $1, before, after, array_agg(message_id ORDER BY message_id) FROM changed GROUP BY before, after
), stored AS (
    UPDATE entries SET flags = changed.after FROM changed
    WHERE entries.folder_id = $1 AND entries.uidvalidity = $2 AND entries.uid = changed.uid
      AND entries.store_id = changed.store_id
    RETURNING entries.uid
)
SELECT count(*) FROM stored;

-- changes --
-- How the flags of these messages changed in these folders, the oldest change first
SELECT folder_id, message_id, noticed, before, after
FROM flag_changes JOIN unnest($2::bigint[]) AS message_id ON message_id = ANY (message_ids)
WHERE folder_id = ANY ($1::bigint[]) ORDER BY id, message_id;
