-- mailboxes --
-- What is archived of each mailbox, up to $1 mailboxes, and what the comparisons of its folders found. POP3 does not
-- say when a message was received: there, the message's own date counts.
WITH chosen AS MATERIALIZED (
    SELECT mailboxes.id, users.name AS user_name, address, proven, greatest(visited, proven) AS visited
    FROM mailboxes JOIN users ON users.id = user_id ORDER BY lower(users.name), address LIMIT $1
)
SELECT user_name, address, known.folders, held.messages, held.gone, held.oldest, held.newest,
       known.on_server, known.filtered, known.missing, chosen.proven, visited
FROM chosen CROSS JOIN LATERAL (
    SELECT count(*) AS folders, coalesce(sum(on_server) FILTER (WHERE vanished IS NULL), 0)::bigint AS on_server,
           coalesce(sum(filtered) FILTER (WHERE vanished IS NULL), 0)::bigint AS filtered,
           coalesce(sum(missing) FILTER (WHERE vanished IS NULL), 0)::bigint AS missing
    FROM folders WHERE mailbox_id = chosen.id
) AS known CROSS JOIN LATERAL (
    SELECT count(*) AS messages, count(entries.gone) AS gone, min(received) AS oldest, max(received) AS newest
    FROM folders JOIN entries ON entries.folder_id = folders.id CROSS JOIN LATERAL (
        SELECT coalesce(internal_date, (SELECT date FROM messages WHERE messages.id = entries.message_id
                                        AND messages.store_id = entries.store_id)) AS received) AS dated
    WHERE folders.mailbox_id = chosen.id
) AS held
ORDER BY lower(user_name), address;

-- count_mailboxes --
-- How many mailboxes there are
SELECT count(*) FROM mailboxes;

-- proofs_of --
-- When the mailboxes of a user were last compared, and completed by a run
SELECT users.name AS user_name, address, proven, greatest(visited, proven) AS visited
FROM mailboxes JOIN users ON users.id = user_id WHERE user_id = $1 ORDER BY address;

-- folders_of --
-- What is archived in each folder of a user's archive, and what its last comparison found. The folders first,
-- then the entries of each by index: reading the entries of everybody would take minutes.
WITH own AS MATERIALIZED (
    SELECT folders.*, address FROM mailboxes JOIN folders ON folders.mailbox_id = mailboxes.id WHERE user_id = $1
), troubled AS MATERIALIZED (
    SELECT folder_id, count(*) AS messages FROM quarantine WHERE folder_id IN (SELECT id FROM own) GROUP BY folder_id
)
SELECT own.address, own.path, held.messages, held.gone, held.oldest, held.newest, on_server, filtered, missing,
       coalesce(troubled.messages, 0) AS quarantined, proven, unmoved, vanished, refusal, distributed
FROM own LEFT JOIN troubled ON troubled.folder_id = own.id CROSS JOIN LATERAL (
    SELECT count(*) AS messages, count(entries.gone) AS gone, min(received) AS oldest, max(received) AS newest
    FROM entries CROSS JOIN LATERAL (
        SELECT coalesce(internal_date, (SELECT date FROM messages WHERE messages.id = entries.message_id
                                        AND messages.store_id = entries.store_id)) AS received) AS dated
    WHERE entries.folder_id = own.id
) AS held
ORDER BY own.address, own.path, own.id;
