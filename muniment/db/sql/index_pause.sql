-- pause --
-- The index refuses writes: pause for a growing time ($2: the first one in seconds, $3: the longest)
INSERT INTO index_pause (not_before, reason) VALUES (now() + make_interval(secs => $2), $1)
ON CONFLICT (only_one) DO UPDATE
SET failures = index_pause.failures + 1, reason = excluded.reason,
    not_before = now() + make_interval(secs => least($3, $2 * 2 ^ least(index_pause.failures, 30)));

-- resume --
-- End the pause: the index accepts writes again
DELETE FROM index_pause;

-- find --
-- The current pause with its reason, if there is one
SELECT since, failures, not_before, reason FROM index_pause;

-- is_paused --
-- Whether workers must still wait for the index
SELECT EXISTS (SELECT FROM index_pause WHERE not_before > now());
