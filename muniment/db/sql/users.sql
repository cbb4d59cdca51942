-- add --
-- Add a user without addresses
INSERT INTO users (name) VALUES ($1) RETURNING id;

-- add_addresses --
-- Give a user addresses; the first one is the primary address
INSERT INTO user_addresses (user_id, position, address)
SELECT $1, position - 1, address FROM unnest($2::text[]) WITH ORDINALITY AS given (address, position);

-- collecting --
-- Which of these addresses belong to mailboxes that collect everybody's mail
SELECT given FROM unnest($1::text[]) AS given
WHERE EXISTS (SELECT FROM mailboxes WHERE collecting AND lower(address) = lower(given));

-- list_all --
-- All users with their addresses, by name
SELECT users.id, users.name,
       coalesce(array_agg(address ORDER BY position) FILTER (WHERE address IS NOT NULL), '{}') AS addresses,
       privileges, own_archive
FROM users LEFT JOIN user_addresses ON user_id = users.id
GROUP BY users.id ORDER BY lower(users.name);

-- find --
-- A user by name, with the addresses
SELECT users.id, users.name,
       coalesce(array_agg(address ORDER BY position) FILTER (WHERE address IS NOT NULL), '{}') AS addresses,
       privileges, own_archive
FROM users LEFT JOIN user_addresses ON user_id = users.id
WHERE lower(users.name) = lower($1) GROUP BY users.id;

-- find_id --
-- The id of a user by name
SELECT id FROM users WHERE lower(name) = lower($1);

-- find_by_addresses --
-- The owners of these addresses, with each address as it was given: only PostgreSQL knows what its lower() does
SELECT given AS address, user_id FROM unnest($1::text[]) AS given JOIN user_addresses ON lower(address) = lower(given);

-- primary_addresses --
-- The primary addresses of these users
SELECT user_id, address FROM user_addresses WHERE user_id = ANY ($1::bigint[]) AND position = 0;

-- ensure_named --
-- Create the users with these names that do not exist yet
INSERT INTO users (name) SELECT DISTINCT ON (lower(name)) name FROM unnest($1::text[]) AS name
ON CONFLICT DO NOTHING;

-- ids_of_names --
-- The ids of the users with these names, with each name as it was given
SELECT given AS name, id FROM unnest($1::text[]) AS given JOIN users ON lower(name) = lower(given);

-- give_address --
-- Make the name the primary address of each user who has no address, unless somebody else has it
INSERT INTO user_addresses (user_id, position, address)
SELECT id, 0, name FROM users
WHERE id = ANY ($1::bigint[]) AND NOT EXISTS (SELECT FROM user_addresses WHERE user_id = users.id)
ON CONFLICT DO NOTHING;
