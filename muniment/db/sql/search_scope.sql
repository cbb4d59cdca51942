-- places_of --
-- The headers of messages that were found, with every place in archives that may be read ($3; NULL: in everybody's
-- archives, but not in mailboxes that only collect mail)
SELECT messages.store_id, messages.id AS message_id, sha256, size, subject, sender, messages.date, messages.archived,
       users.name AS user_name, mailboxes.address, folders.path, entries.uid
FROM unnest($1::smallint[], $2::bigint[]) AS given (store_id, message_id)
JOIN messages ON messages.id = given.message_id AND messages.store_id = given.store_id
JOIN entries ON entries.message_id = given.message_id AND entries.store_id = given.store_id
JOIN folders ON folders.id = entries.folder_id
JOIN mailboxes ON mailboxes.id = folders.mailbox_id
JOIN users ON users.id = mailboxes.user_id
WHERE (users.id = ANY ($3::bigint[]) OR ($3::bigint[] IS NULL AND NOT mailboxes.collecting))
  AND (entries.gone IS NULL OR NOT is_former(entries))
ORDER BY messages.id, users.name, mailboxes.address, folders.path, entries.uid;

-- folders_of --
-- The folders that may be searched
SELECT folders.id, mailboxes.address, folders.path FROM folders JOIN mailboxes ON mailboxes.id = mailbox_id
WHERE user_id = ANY ($1::bigint[]) OR ($1::bigint[] IS NULL AND NOT collecting);

-- addresses_of --
-- The addresses of these users, and of their mailboxes
SELECT address FROM user_addresses WHERE user_id = ANY ($1::bigint[])
UNION SELECT address FROM mailboxes WHERE user_id = ANY ($1::bigint[]) AND NOT collecting ORDER BY address;

-- archives_of --
-- The users whose archives may be searched
SELECT id, name FROM users WHERE $1::bigint[] IS NULL OR id = ANY ($1::bigint[]);
