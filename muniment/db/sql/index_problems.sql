-- settle --
-- Record what is not indexed, or only partly ($4: why, $5: codes, $6: parts), and forget the rest. A failure is retried
-- after a growing delay ($7: the first one in seconds, $8: the longest).
WITH given AS (
    SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::boolean[], $4::text[], $5::text[], $6::text[])
      AS given (store_id, message_id, indexed, reasons, codes, parts)
), sound AS (
    DELETE FROM index_problems USING given
    WHERE given.reasons = '' AND index_problems.message_id = given.message_id
      AND index_problems.store_id = given.store_id
)
INSERT INTO index_problems (store_id, message_id, indexed, reasons, codes, parts, not_before)
SELECT store_id, message_id, indexed, string_to_array(reasons, E'\n'), string_to_array(codes, E'\n'),
       CASE WHEN parts = '' THEN array_fill(''::text, ARRAY[cardinality(string_to_array(reasons, E'\n'))])
            ELSE string_to_array(parts, E'\n') END,
       CASE WHEN NOT indexed THEN now() + make_interval(secs => $7) END
FROM given WHERE given.reasons <> ''
ON CONFLICT (message_id, store_id) DO UPDATE
SET indexed = excluded.indexed, reasons = excluded.reasons, codes = excluded.codes, parts = excluded.parts,
    attempts = CASE WHEN excluded.indexed THEN 1 ELSE index_problems.attempts + 1 END,
    not_before = CASE WHEN NOT excluded.indexed
                 THEN now() + make_interval(secs => least($8, $7 * 2 ^ least(index_problems.attempts, 30))) END;

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

-- is_retry_due --
-- Whether a problem is due for another attempt
SELECT EXISTS (SELECT FROM index_problems WHERE not_before <= now());

-- excused --
-- Which of these messages the index may lack: they wait in the outbox, or it refused them
SELECT message_id FROM index_outbox WHERE store_id = $1 AND message_id = ANY ($2::bigint[])
UNION SELECT message_id FROM index_problems WHERE store_id = $1 AND message_id = ANY ($2::bigint[]) AND NOT indexed;

-- reasons --
-- Why messages are not indexed, or only partly; the most frequent reasons first
SELECT store_id, indexed, reason, count(DISTINCT message_id) AS messages
FROM index_problems, unnest(reasons) AS reason
GROUP BY store_id, indexed, reason ORDER BY indexed, messages DESC, reason LIMIT $1;

-- list_all --
-- Messages that are not indexed, or only partly, with the reasons and the next attempt; $1: only those of one store
SELECT stores.name AS store_name, index_problems.message_id, indexed, reasons, attempts, since, not_before,
       sha256, subject, messages.date, size, codes, parts
FROM index_problems JOIN stores ON stores.id = store_id
JOIN messages ON messages.id = index_problems.message_id AND messages.store_id = index_problems.store_id
WHERE ($1::smallint IS NULL OR index_problems.store_id = $1)
ORDER BY indexed, index_problems.message_id LIMIT $2;

-- list_of --
-- Why the message with this hash is not indexed, or only partly: a row for each store that has it
SELECT stores.name AS store_name, index_problems.message_id, indexed, reasons, attempts, since, not_before,
       sha256, subject, messages.date, size, codes, parts
FROM index_problems JOIN stores ON stores.id = store_id
JOIN messages ON messages.id = index_problems.message_id AND messages.store_id = index_problems.store_id
WHERE sha256 = $1 ORDER BY stores.name;
