-- add --
-- Record blind recipients of messages; tell the index of those that are new, as no entry may change with them
WITH added AS (
    INSERT INTO blind_recipients (store_id, message_id, user_id, address)
    SELECT $1, given.* FROM unnest($2::bigint[], $3::bigint[], $4::text[]) AS given (message_id, user_id, address)
    ON CONFLICT DO NOTHING RETURNING message_id
)
INSERT INTO index_outbox (store_id, message_id) SELECT DISTINCT $1::smallint, message_id FROM added;
