-- claim --
-- Take rows that the index has not processed yet; they stay locked until the transaction ends
SELECT id, store_id, message_id, building, slow FROM index_outbox WHERE NOT slow
ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED;

-- claim_slow --
-- Take rows of messages whose attachments take long
SELECT id, store_id, message_id, building, slow FROM index_outbox WHERE slow
ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED;

-- set_aside --
-- Put the messages of rows back as slow ones, once for each index
INSERT INTO index_outbox (store_id, message_id, building, slow)
SELECT DISTINCT store_id, message_id, building, true FROM index_outbox AS row
WHERE id = ANY ($1::bigint[]) AND NOT EXISTS (
    SELECT FROM index_outbox AS other WHERE other.slow AND other.message_id = row.message_id
      AND other.store_id = row.store_id AND other.building = row.building);

-- next_version --
-- Draw a version after the rows were taken and before anything is read: the highest version has seen every change whose
-- row was taken under a lower one
SELECT nextval('index_versions');

-- done --
-- Delete rows that are processed
DELETE FROM index_outbox WHERE id = ANY ($1::bigint[]);

-- add --
-- Put messages of a store into the outbox; $3: only for the index that is being built
INSERT INTO index_outbox (store_id, message_id, building) SELECT $1, unnest($2::bigint[]), $3;

-- waiting --
-- How many rows of a store wait in the outbox, counted up to $2
SELECT count(*) FROM (SELECT FROM index_outbox WHERE store_id = $1 LIMIT $2) AS waiting;

-- is_building_waiting --
-- Whether rows for the index being built still wait in the outbox
SELECT EXISTS (SELECT FROM index_outbox WHERE store_id = $1 AND building);
