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
-- All users with their addresses, by name; $1: the removed ones as well, whose archives remain
SELECT users.id, users.name,
       coalesce(array_agg(address ORDER BY position) FILTER (WHERE address IS NOT NULL), '{}') AS addresses,
       privileges, own_archive, removed
FROM users LEFT JOIN user_addresses ON user_id = users.id
WHERE removed IS NULL OR $1
GROUP BY users.id ORDER BY lower(users.name);

-- find --
-- A user by name, with the addresses
SELECT users.id, users.name,
       coalesce(array_agg(address ORDER BY position) FILTER (WHERE address IS NOT NULL), '{}') AS addresses,
       privileges, own_archive, removed
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

-- give_addresses --
-- Give these addresses to their users, in this order, if they have none; not those of other users, of removed users or
-- of mailboxes that collect everybody's mail
INSERT INTO user_addresses (user_id, position, address)
SELECT user_id, row_number() OVER (PARTITION BY user_id ORDER BY nth) - 1, address
FROM (SELECT DISTINCT ON (lower(address)) user_id, address, nth
      FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY AS given (user_id, address, nth)
      ORDER BY lower(address), nth) AS given
WHERE NOT EXISTS (SELECT FROM user_addresses
                  WHERE user_id = given.user_id OR lower(address) = lower(given.address))
  AND NOT EXISTS (SELECT FROM users WHERE id = given.user_id AND removed IS NOT NULL)
  AND NOT EXISTS (SELECT FROM mailboxes WHERE collecting AND lower(address) = lower(given.address))
ON CONFLICT DO NOTHING;

-- lock --
-- Lock a user against other changes
SELECT FROM users WHERE id = $1 FOR UPDATE;

-- rename --
-- Give a user another name
UPDATE users SET name = $2 WHERE id = $1;

-- remove --
-- Remove a user; the archive stays
UPDATE users SET removed = now() WHERE id = $1;

-- take_back --
-- Make a removed user one again, with the archive
UPDATE users SET removed = NULL WHERE id = $1;

-- clear_addresses --
-- Take all addresses from a user
DELETE FROM user_addresses WHERE user_id = $1;

-- leaving_out --
-- Profiles of all users that leave out one of these names or addresses, given in lower case
SELECT name FROM profiles
WHERE (document #>> '{mailboxes,all}')::boolean
  AND document #> '{mailboxes,but_not}' ?| $1::text[] ORDER BY lower(name);

-- profiles_of --
-- Profiles that name mailboxes of a user's archive
SELECT DISTINCT profiles.name FROM profiles
JOIN profile_mailboxes ON profile_id = profiles.id JOIN mailboxes ON mailboxes.id = mailbox_id
WHERE user_id = $1 ORDER BY 1;
