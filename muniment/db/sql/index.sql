-- claim --
-- Take rows that the index has not processed yet; they stay locked until the transaction ends
SELECT id, store_id, message_id, building FROM index_outbox ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED;

-- next_version --
-- Draw a version after the rows were taken and before anything is read: the highest version has seen every change whose
-- row was taken under a lower one
SELECT nextval('index_versions');

-- facts --
-- What is stored about messages and where they stand, without former places; no row for a message that does not exist
SELECT messages.store_id, messages.id AS message_id, sha256, size, messages.archived, messages.message_id AS header_id,
       subject, sender, recipients, messages.date,
       coalesce(places.archives, '{}') AS archives, coalesce(places.folders, '{}') AS folders,
       coalesce(places.flags, '{}') AS flags, coalesce(places.is_filed, false) AS is_filed, places.received
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

-- done --
-- Delete rows that are processed
DELETE FROM index_outbox WHERE id = ANY ($1::bigint[]);

-- settle --
-- Record what is not indexed, or only partly ($4: why), and forget the rest. A failure is retried after a growing delay
-- ($5: the first one in seconds, $6: the longest).
WITH given AS (
    SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::boolean[], $4::text[])
      AS given (store_id, message_id, indexed, reasons)
), sound AS (
    DELETE FROM index_problems USING given
    WHERE given.reasons = '' AND index_problems.message_id = given.message_id
      AND index_problems.store_id = given.store_id
)
INSERT INTO index_problems (store_id, message_id, indexed, reasons, not_before)
SELECT store_id, message_id, indexed, string_to_array(reasons, E'\n'),
       CASE WHEN NOT indexed THEN now() + make_interval(secs => $5) END
FROM given WHERE given.reasons <> ''
ON CONFLICT (message_id, store_id) DO UPDATE
SET indexed = excluded.indexed, reasons = excluded.reasons,
    attempts = CASE WHEN excluded.indexed THEN 1 ELSE index_problems.attempts + 1 END,
    not_before = CASE WHEN NOT excluded.indexed
                 THEN now() + make_interval(secs => least($6, $5 * 2 ^ least(index_problems.attempts, 30))) END;

-- retry --
-- Put problems that are due back into the outbox; they are due again after an hour, if no worker takes them
WITH due AS (
    UPDATE index_problems SET not_before = now() + interval '1 hour'
    WHERE (message_id, store_id) IN (
        SELECT message_id, store_id FROM index_problems WHERE not_before <= now() LIMIT $1 FOR UPDATE SKIP LOCKED)
    RETURNING store_id, message_id
)
INSERT INTO index_outbox (store_id, message_id) SELECT store_id, message_id FROM due;

-- retry_all --
-- Put all problems of a store (NULL: of all stores) back into the outbox; returns how many
WITH due AS (
    UPDATE index_problems SET not_before = now() + interval '1 hour'
    WHERE $1::smallint IS NULL OR store_id = $1 RETURNING store_id, message_id
), handed AS (
    INSERT INTO index_outbox (store_id, message_id) SELECT store_id, message_id FROM due
)
SELECT count(*) FROM due;

-- hand_over --
-- Put messages of a store into the outbox; $3: only for the index that is being built
INSERT INTO index_outbox (store_id, message_id, building) SELECT $1, unnest($2::bigint[]), $3;

-- pause --
-- The index refuses writes: pause for a growing time ($2: the first one in seconds, $3: the longest)
INSERT INTO index_pause (not_before, reason) VALUES (now() + make_interval(secs => $2), $1)
ON CONFLICT (only_one) DO UPDATE
SET failures = index_pause.failures + 1, reason = excluded.reason,
    not_before = now() + make_interval(secs => least($3, $2 * 2 ^ least(index_pause.failures, 30)));

-- resume --
-- End the pause: the index accepts writes again
DELETE FROM index_pause;

-- paused --
-- The current pause with its reason, if there is one
SELECT since, failures, not_before, reason FROM index_pause;

-- is_paused --
-- Whether workers must still wait for the index
SELECT EXISTS (SELECT FROM index_pause WHERE not_before > now());

-- ensure_generations --
-- Give every store a generation in this backend
INSERT INTO index_generations (store_id, backend) SELECT id, $1 FROM stores ON CONFLICT DO NOTHING;

-- generations --
-- The generations of every store: the live one, the one being built and how far it is, and the last reconciliation
SELECT index_generations.store_id, stores.name AS store_name, live, building, cursor, upto, handed, total, started,
       reconciled, missing, ghosts
FROM index_generations JOIN stores ON stores.id = store_id WHERE backend = $1 ORDER BY store_id;

-- share --
-- Keep generations as they are until this transaction, which writes into the index, ends
SELECT pg_advisory_xact_lock_shared($1);

-- change_generations --
-- Give up if a lock is not granted within a minute: this transaction waits for all writers, and writers queue behind it
SET LOCAL lock_timeout = '60s';

-- exclude --
-- Wait for all transactions that write into the index, and keep new ones out until this one ends
SELECT pg_advisory_xact_lock($1);

-- try_tend --
-- Let only one process at a time tend the index of a store
SELECT pg_try_advisory_xact_lock($1, $2);

-- begin_rebuild --
-- Begin a rebuild unless there is one. A later transaction measures it: messages stored before that one are handed
-- over, and messages stored after it find the new index.
UPDATE index_generations SET building = live + 1, cursor = 0, handed = 0, upto = NULL, total = 0, started = now()
WHERE store_id = $1 AND backend = $2 AND building IS NULL RETURNING building;

-- measure_rebuild --
-- Fix what a rebuild must hand over: all messages up to the newest one
UPDATE index_generations SET
    upto = (SELECT coalesce(max(id), 0) FROM messages WHERE messages.store_id = $1),
    total = (SELECT coalesce(sum(messages), 0)::bigint FROM store_counts WHERE store_counts.store_id = $1)
WHERE store_id = $1 AND backend = $2 AND building IS NOT NULL AND upto IS NULL;

-- hand_over_next --
-- Put the next messages of a store into the outbox for the index being built, and move the cursor past them
WITH next AS MATERIALIZED (
    SELECT id FROM messages, index_generations AS generation
    WHERE generation.store_id = $1 AND backend = $2 AND messages.store_id = $1 AND id > cursor AND id <= upto
    ORDER BY id LIMIT $3
), handed AS (
    INSERT INTO index_outbox (store_id, message_id, building) SELECT $1, id, true FROM next
), moved AS (
    UPDATE index_generations SET cursor = (SELECT max(id) FROM next), handed = handed + (SELECT count(*) FROM next)
    WHERE store_id = $1 AND backend = $2 AND EXISTS (SELECT FROM next)
)
SELECT count(*) FROM next;

-- pending_of --
-- How many rows of a store wait in the outbox, counted up to $2
SELECT count(*) FROM (SELECT FROM index_outbox WHERE store_id = $1 LIMIT $2) AS waiting;

-- pending_for_building --
-- Whether rows for the index being built still wait in the outbox
SELECT EXISTS (SELECT FROM index_outbox WHERE store_id = $1 AND building);

-- end_rebuild --
-- Make the index that was built the live one
UPDATE index_generations SET live = building, building = NULL, started = NULL, reconciled = NULL
WHERE store_id = $1 AND backend = $2 AND building = $3;

-- give_up_rebuild --
-- Abandon the rebuild of a store; the live index stays
UPDATE index_generations SET building = NULL, started = NULL WHERE store_id = $1 AND backend = $2;

-- drop_building_rows --
-- Delete the outbox rows of a rebuild that was abandoned
DELETE FROM index_outbox WHERE store_id = $1 AND building;

-- reconciled --
-- Record a comparison of index and store: how many messages were missing, how many documents were orphans
UPDATE index_generations SET reconciled = now(), missing = $3, ghosts = $4 WHERE store_id = $1 AND backend = $2;

-- ids_after --
-- The next messages of a store, in order: a page for comparing store and index
SELECT id FROM messages WHERE store_id = $1 AND id > $2 ORDER BY id LIMIT $3;

-- existing --
-- Which of these messages the store has
SELECT id FROM messages WHERE store_id = $1 AND id = ANY ($2::bigint[]);

-- is_retry_due --
-- Whether a problem is due for another attempt
SELECT EXISTS (SELECT FROM index_problems WHERE not_before <= now());

-- excused --
-- Which of these messages the index may lack: they wait in the outbox, or it refused them
SELECT message_id FROM index_outbox WHERE store_id = $1 AND message_id = ANY ($2::bigint[])
UNION SELECT message_id FROM index_problems WHERE store_id = $1 AND message_id = ANY ($2::bigint[]) AND NOT indexed;

-- coverage --
-- Each store with its messages, what waits for the index, and what the index lacks
SELECT stores.id AS store_id, name, state, coalesce(held.messages, 0)::bigint AS messages,
       (SELECT count(DISTINCT message_id) FROM index_outbox
        WHERE index_outbox.store_id = stores.id AND NOT building) AS outbox,
       (SELECT count(*) FROM index_outbox WHERE index_outbox.store_id = stores.id AND building) AS building,
       (SELECT count(*) FROM index_problems WHERE index_problems.store_id = stores.id AND NOT indexed) AS failed,
       (SELECT count(*) FROM index_problems WHERE index_problems.store_id = stores.id AND indexed) AS partly
FROM stores LEFT JOIN (
    SELECT store_id, sum(messages) AS messages FROM store_counts GROUP BY store_id
) AS held ON held.store_id = stores.id ORDER BY stores.id;

-- reasons --
-- Why messages are not indexed, or only partly; the most frequent reasons first
SELECT store_id, indexed, reason, count(*) AS messages
FROM index_problems, unnest(reasons) AS reason
GROUP BY store_id, indexed, reason ORDER BY indexed, messages DESC, reason LIMIT $1;

-- problems --
-- Messages that are not indexed, or only partly, with the reasons and the next attempt; $1: only those of one store
SELECT stores.name AS store_name, index_problems.message_id, indexed, reasons, attempts, since, not_before,
       sha256, subject, messages.date, size
FROM index_problems JOIN stores ON stores.id = store_id
JOIN messages ON messages.id = index_problems.message_id AND messages.store_id = index_problems.store_id
WHERE ($1::smallint IS NULL OR index_problems.store_id = $1)
ORDER BY indexed, index_problems.message_id LIMIT $2;

-- lacking --
-- How many messages a search cannot find at the moment, counted up to $1
SELECT (SELECT count(*) FROM (SELECT DISTINCT store_id, message_id FROM index_outbox LIMIT $1) AS waiting)
     + (SELECT count(*) FROM (SELECT FROM index_problems WHERE NOT indexed LIMIT $1) AS failed);

-- texts --
-- The texts of attachments that this version of the readers has extracted before
SELECT sha256, type, text, problem FROM attachment_texts WHERE sha256 = ANY ($1::bytea[]) AND reader = $2;

-- keep_texts --
-- Keep the texts of attachments, so that none is extracted twice
INSERT INTO attachment_texts (sha256, reader, type, text, problem)
SELECT sha256, $2, type, text, problem FROM unnest($1::bytea[], $3::text[], $4::text[], $5::text[])
  AS given (sha256, type, text, problem) ORDER BY sha256
ON CONFLICT (sha256) DO UPDATE SET reader = excluded.reader, type = excluded.type, text = excluded.text,
    problem = excluded.problem, read = now();

-- filed --
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

-- archives_of --
-- The users whose archives may be searched
SELECT id, name FROM users WHERE $1::bigint[] IS NULL OR id = ANY ($1::bigint[]);
