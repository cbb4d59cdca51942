-- current --
-- The share lock keeps the store current until the transaction ends
SELECT id FROM stores WHERE state = 'current' FOR SHARE;

-- list_all --
-- Every store with what it holds
SELECT stores.id, name, state, created, coalesce(sum(messages), 0)::bigint AS messages,
       coalesce(sum(bytes), 0)::bigint AS bytes, coalesce(sum(entries), 0)::bigint AS entries,
       coalesce(sum(documents), 0)::bigint AS documents
FROM stores LEFT JOIN store_counts ON store_id = stores.id GROUP BY stores.id ORDER BY stores.id;

-- sum_up --
-- Many rows become one for each store; a row that another scheduler is summing up is left to it
WITH gone AS (
    DELETE FROM store_counts WHERE ctid IN (SELECT ctid FROM store_counts FOR UPDATE SKIP LOCKED) RETURNING *
)
INSERT INTO store_counts (store_id, messages, bytes, entries, documents)
SELECT store_id, sum(messages), sum(bytes), sum(entries), sum(documents) FROM gone GROUP BY store_id;

-- lock --
-- One process at a time begins a store; the others need not wait for it
SELECT pg_try_advisory_xact_lock($1);

-- patience --
-- Commits wait behind whoever waits for the current store: not for long
SET LOCAL lock_timeout = '4s';

-- next_name --
-- By the month, and a number from the second one of a month on
SELECT to_char(now(), 'YYYY-MM') || CASE WHEN count(*) = 0 THEN '' ELSE '-' || (count(*) + 1)::text END
FROM stores WHERE name LIKE to_char(now(), 'YYYY-MM') || '%';

-- create --
SELECT create_store($1);
