-- current --
-- The current store; the lock keeps it current until the transaction ends
SELECT id FROM stores WHERE state = 'current' FOR SHARE;

-- list_all --
-- Every store with its totals
SELECT stores.id, name, state, created, coalesce(sum(messages), 0)::bigint AS messages,
       coalesce(sum(bytes), 0)::bigint AS bytes, coalesce(sum(entries), 0)::bigint AS entries,
       coalesce(sum(documents), 0)::bigint AS documents
FROM stores LEFT JOIN store_counts ON store_id = stores.id GROUP BY stores.id ORDER BY stores.id;

-- sum_up --
-- Replace the totals' many rows by one for each store; rows that another scheduler is replacing are left alone
WITH gone AS (
    DELETE FROM store_counts WHERE ctid IN (SELECT ctid FROM store_counts FOR UPDATE SKIP LOCKED) RETURNING *
)
INSERT INTO store_counts (store_id, messages, bytes, entries, documents)
SELECT store_id, sum(messages), sum(bytes), sum(entries), sum(documents) FROM gone GROUP BY store_id;

-- lock --
-- Let only one process at a time begin a store; the others do not wait
SELECT pg_try_advisory_xact_lock($1);

-- patience --
-- Give up early if a lock is not granted: commits queue behind this transaction
SET LOCAL lock_timeout = '4s';

-- next_name --
-- The name of the next store: the month, and a number from its second store on
SELECT to_char(now(), 'YYYY-MM') || CASE WHEN count(*) = 0 THEN '' ELSE '-' || (count(*) + 1)::text END
FROM stores WHERE name LIKE to_char(now(), 'YYYY-MM') || '%';

-- create --
-- Create the store with its partitions, and make it the current one
SELECT create_store($1);
