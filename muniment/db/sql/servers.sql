-- limits --
-- The limits that administrators set for mail servers
SELECT server, connections, commands_per_second, bytes_per_second FROM server_limits ORDER BY server;

-- set_limits --
-- Set the limits of a mail server, for all profiles and workers
INSERT INTO server_limits (server, connections, commands_per_second, bytes_per_second) VALUES ($1, $2, $3, $4)
ON CONFLICT (server) DO UPDATE SET connections = excluded.connections,
    commands_per_second = excluded.commands_per_second, bytes_per_second = excluded.bytes_per_second;

-- clear_limits --
-- Remove the limits of a mail server; returns nothing if it had none
DELETE FROM server_limits WHERE server = $1 RETURNING server;

-- is_first_count --
-- Whether counting of connections began less than $1 seconds ago: processes that start together all count as the first
UPDATE installation SET counting_since = coalesce(counting_since, now())
RETURNING counting_since > now() - make_interval(secs => $1);
