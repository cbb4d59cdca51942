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

-- lacking --
-- How many messages a search cannot find at the moment, counted up to $1
SELECT (SELECT count(*) FROM (
           SELECT DISTINCT store_id, message_id FROM index_outbox WHERE NOT slow LIMIT $1) AS waiting)
     + (SELECT count(*) FROM (SELECT FROM index_problems WHERE NOT indexed LIMIT $1) AS failed);
