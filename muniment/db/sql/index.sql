-- claim --
-- Take messages that the index has not heard of; the rows stay locked until the transaction ends.
-- Chosen before anything is joined: the outbox may hold millions.
WITH due AS MATERIALIZED (
    SELECT store_id, message_id, attempts FROM index_outbox
    WHERE not_before <= now() ORDER BY not_before, message_id LIMIT $1 FOR UPDATE SKIP LOCKED
)
SELECT due.store_id, due.message_id, attempts, messages.id IS NULL AS is_gone, coalesce(size, 0) AS size,
       coalesce(subject, '') AS subject, coalesce(sender, '') AS sender, coalesce(recipients, '') AS recipients
FROM due LEFT JOIN messages ON messages.id = due.message_id AND messages.store_id = due.store_id;

-- done --
DELETE FROM index_outbox USING unnest($1::smallint[], $2::bigint[]) AS given (store_id, message_id)
WHERE index_outbox.store_id = given.store_id AND index_outbox.message_id = given.message_id;

-- set_aside --
-- What cannot be indexed stays, with its reason, and is tried again later
UPDATE index_outbox SET attempts = attempts + 1, error = $3, not_before = now() + make_interval(secs => $4)
WHERE store_id = $1 AND message_id = $2;

-- put_documents --
-- Weights: A subject, B people, C text and attachment names. Counted are those that the index did not have; their
-- outbox rows are locked, so nobody else adds them meanwhile.
WITH given AS (
    SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[])
      AS given (store_id, message_id, subject, people, text, problem)
), counts AS (
    INSERT INTO store_counts (store_id, messages, bytes, entries, documents)
    SELECT store_id, 0, 0, 0, count(*) FROM given
    WHERE NOT EXISTS (SELECT FROM search_documents
                      WHERE message_id = given.message_id AND store_id = given.store_id)
    GROUP BY store_id
)
INSERT INTO search_documents (store_id, message_id, document, problem)
SELECT store_id, message_id,
       setweight(to_tsvector('simple', subject), 'A') || setweight(to_tsvector('simple', people), 'B')
       || setweight(to_tsvector('simple', text), 'C'), problem
FROM given
ON CONFLICT (message_id, store_id) DO UPDATE SET document = excluded.document, problem = excluded.problem;

-- search --
-- Newest first. What a collecting mailbox holds is found at its owners'. The matches are found by the index before anything is sorted or joined.
WITH hits AS MATERIALIZED (
    SELECT store_id, message_id FROM search_documents WHERE document @@ websearch_to_tsquery('simple', $1)
)
SELECT users.name AS user_name, mailboxes.address, folders.path, entries.uid, messages.date, messages.subject,
       messages.sender, messages.size, messages.sha256
FROM hits
JOIN messages ON messages.id = hits.message_id AND messages.store_id = hits.store_id
JOIN entries ON entries.message_id = hits.message_id AND entries.store_id = hits.store_id
JOIN folders ON folders.id = entries.folder_id
JOIN mailboxes ON mailboxes.id = folders.mailbox_id
JOIN users ON users.id = mailboxes.user_id
WHERE (users.id = $2 OR ($2::bigint IS NULL AND NOT mailboxes.collecting)) AND (entries.gone IS NULL OR NOT is_former(entries))
ORDER BY messages.date DESC NULLS LAST, messages.id DESC, entries.folder_id LIMIT $3;
