-- commit_without_flush --
-- Do not wait until this commit is on disk. The transaction that takes the messages out of the outbox commits later,
-- and its flush of the write-ahead log includes everything before it: after a crash either both are there, or the
-- messages are still in the outbox.
SET LOCAL synchronous_commit = off;

-- limit_time --
-- Let PostgreSQL end each further statement of this transaction after this many milliseconds
SELECT set_config('statement_timeout', $1, true);

-- put_documents --
-- Write documents, unless the index already has a newer version of them
INSERT INTO search_documents (store_id, message_id, version, generation, document, is_long, date, size, header_id,
                              sender, archives, folders, flags, is_filed, has_attachment, types, received)
SELECT store_id, message_id, version, generation, document::tsvector, is_long, date, size, header_id, sender,
       string_to_array(archives, ' ')::bigint[], string_to_array(folders, ' ')::bigint[], string_to_array(flags, ' '),
       is_filed, has_attachment, string_to_array(types, ' '), received
FROM unnest($1::smallint[], $2::bigint[], $3::bigint[], $4::integer[], $5::text[], $6::boolean[], $7::timestamptz[],
            $8::bigint[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::boolean[],
            $15::boolean[], $16::text[], $17::timestamptz[])
  AS given (store_id, message_id, version, generation, document, is_long, date, size, header_id, sender, archives,
            folders, flags, is_filed, has_attachment, types, received)
ORDER BY store_id, message_id
ON CONFLICT (message_id, store_id) DO UPDATE
SET version = excluded.version, generation = excluded.generation, document = excluded.document,
    is_long = excluded.is_long, date = excluded.date, size = excluded.size, header_id = excluded.header_id,
    sender = excluded.sender, archives = excluded.archives, folders = excluded.folders, flags = excluded.flags,
    is_filed = excluded.is_filed, has_attachment = excluded.has_attachment, types = excluded.types,
    received = excluded.received
WHERE search_documents.version < excluded.version;

-- drop_passages --
-- Delete the passages of these messages
DELETE FROM search_passages USING unnest($1::smallint[], $2::bigint[]) AS given (store_id, message_id)
WHERE search_passages.message_id = given.message_id AND search_passages.store_id = given.store_id;

-- put_passages --
-- Write the passages of long messages
INSERT INTO search_passages (store_id, message_id, passage, words)
SELECT store_id, message_id, passage, words::tsvector
FROM unnest($1::smallint[], $2::bigint[], $3::integer[], $4::text[]) AS given (store_id, message_id, passage, words)
ON CONFLICT (message_id, passage, store_id) DO UPDATE SET words = excluded.words;

-- drop_documents --
-- Delete the documents of these messages
DELETE FROM search_documents USING unnest($1::smallint[], $2::bigint[]) AS given (store_id, message_id)
WHERE search_documents.message_id = given.message_id AND search_documents.store_id = given.store_id;

-- count_documents --
-- How many documents a store has, from the running totals: counting millions of rows takes too long
SELECT coalesce(sum(documents), 0)::bigint FROM store_counts WHERE store_id = $1;

-- document_ids --
-- The next messages of a store that have a document, in order: a page for comparing index and store
SELECT message_id FROM search_documents WHERE store_id = $1 AND message_id > $2 ORDER BY message_id LIMIT $3;

-- drop_older --
-- Delete documents of earlier generations with their passages: a rebuild did not find their messages in the store
WITH old AS (DELETE FROM search_documents WHERE store_id = $1 AND generation < $2 RETURNING message_id)
DELETE FROM search_passages WHERE store_id = $1 AND message_id IN (SELECT message_id FROM old);
