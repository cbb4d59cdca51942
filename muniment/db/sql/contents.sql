-- parts --
-- The next parts of a message, from part $3 on
SELECT message_id, part, codec, data FROM contents
WHERE message_id = $2 AND store_id = $1 AND part >= $3 ORDER BY part LIMIT $4;

-- parts_of --
-- All parts of several messages of a store
SELECT message_id, part, codec, data FROM contents
WHERE store_id = $1 AND message_id = ANY ($2::bigint[]) ORDER BY message_id, part;
