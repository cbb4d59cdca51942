-- add --
-- Save a search for a user
INSERT INTO saved_searches (user_id, name, query) VALUES ($1, $2, $3) RETURNING id;

-- remove --
-- Delete a user's search by its name
DELETE FROM saved_searches WHERE user_id = $1 AND lower(name) = lower($2) RETURNING id;

-- list --
-- Saved searches with their last results; $1: only those of one user
SELECT saved_searches.id, users.name AS user_name, saved_searches.name, query, saved_searches.created, requested,
       last_run, results, error
FROM saved_searches JOIN users ON users.id = user_id
WHERE $1::bigint IS NULL OR user_id = $1 ORDER BY lower(users.name), lower(saved_searches.name);

-- find --
-- A user's search by its name
SELECT saved_searches.id, users.name AS user_name, saved_searches.name, query, saved_searches.created, requested,
       last_run, results, error
FROM saved_searches JOIN users ON users.id = user_id WHERE user_id = $1 AND lower(saved_searches.name) = lower($2);

-- request --
-- Ask the scheduler to run a search
UPDATE saved_searches SET requested = now() WHERE id = $1;

-- take --
-- The search that was requested first and that no other scheduler runs; locked until the transaction ends
SELECT saved_searches.id, users.name AS user_name, saved_searches.name, query, saved_searches.created, requested,
       last_run, results, error
FROM saved_searches JOIN users ON users.id = user_id
WHERE requested IS NOT NULL ORDER BY requested LIMIT 1 FOR UPDATE OF saved_searches SKIP LOCKED;

-- finish --
-- Store the result of a search, or its error
UPDATE saved_searches SET requested = NULL, last_run = now(), results = $2, error = $3 WHERE id = $1;
