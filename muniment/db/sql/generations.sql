-- ensure --
-- Give every store a generation in this backend
INSERT INTO index_generations (store_id, backend, documents_version) SELECT id, $1, $2 FROM stores
ON CONFLICT DO NOTHING;

-- list_all --
-- The generations of every store: the live one, the one being built and how far it is, and the last reconciliation
SELECT index_generations.store_id, stores.name AS store_name, live, building, cursor, upto, handed, total, started,
       reconciled, missing, ghosts AS orphans, documents_version
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

-- end_rebuild --
-- Make the index that was built the live one
UPDATE index_generations SET live = building, building = NULL, started = NULL, reconciled = NULL,
    documents_version = $4
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
