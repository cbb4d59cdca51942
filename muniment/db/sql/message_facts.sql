-- find --
-- What is stored about messages and where they stand, without former places; no row for a message that does not exist
SELECT messages.store_id, messages.id AS message_id, sha256, size, messages.archived, messages.message_id AS header_id,
       subject, sender, recipients, messages.date,
       coalesce(places.archives, '{}') AS archives, coalesce(places.folders, '{}') AS folders,
       coalesce(places.flags, '{}') AS flags, coalesce(places.is_filed, false) AS is_filed, places.received,
       ARRAY(SELECT user_id || '/' || address FROM blind_recipients
             WHERE blind_recipients.message_id = messages.id AND blind_recipients.store_id = messages.store_id
             ORDER BY user_id, address) AS delivered
FROM unnest($1::smallint[], $2::bigint[]) AS given (store_id, message_id)
JOIN messages ON messages.id = given.message_id AND messages.store_id = given.store_id
LEFT JOIN LATERAL (
    SELECT array_agg(DISTINCT user_id) AS archives, array_agg(DISTINCT folders.id) AS folders,
           bool_or(NOT collecting) AS is_filed, min(internal_date) AS received,
           array_agg(DISTINCT user_id || '/' || substr(lower(flag), 2)) FILTER (
               WHERE lower(flag) IN ('\flagged', '\answered', '\seen', '\draft')) AS flags
    FROM entries JOIN folders ON folders.id = folder_id JOIN mailboxes ON mailboxes.id = mailbox_id
         LEFT JOIN LATERAL unnest(entries.flags) AS flag ON true
    WHERE entries.message_id = given.message_id AND entries.store_id = given.store_id
      AND (entries.gone IS NULL OR NOT is_former(entries))
) AS places ON true;
