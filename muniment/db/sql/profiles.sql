-- add --
-- Store a new profile
INSERT INTO profiles (name, kind, password, document, schema_version, due) VALUES ($1, $2, '', $3, $4, $5) RETURNING id;

-- replace --
-- Change a profile except its password; an unchanged schedule keeps its next run
UPDATE profiles
SET document = $2::jsonb, schema_version = $3,
    due = CASE WHEN document->'schedule' = $2::jsonb->'schedule' THEN due ELSE $4 END,
    schedule_error = CASE WHEN document->'schedule' = $2::jsonb->'schedule' THEN schedule_error ELSE '' END
WHERE id = $1;

-- set_password --
-- Store the encrypted password of a profile
UPDATE profiles SET password = $2 WHERE id = $1;

-- set_mailbox_password --
-- Store the encrypted password of a mailbox with a login of its own
UPDATE profile_mailboxes SET password = $3 WHERE profile_id = $1 AND mailbox_id = $2;

-- find --
-- A profile by its name, without the password
SELECT id, name, kind, document, schema_version, due, schedule_error FROM profiles WHERE lower(name) = lower($1);

-- get --
-- A profile by its id, with the encrypted password: for those who log in
SELECT id, name, kind, document, schema_version, due, schedule_error, password FROM profiles WHERE id = $1;

-- list_all --
-- All profiles, by name, without passwords
SELECT id, name, kind, document, schema_version, due, schedule_error FROM profiles ORDER BY lower(name);

-- due --
-- Profiles whose schedule starts a run now
SELECT id, name, document->'schedule' AS schedule, now() AS now FROM profiles WHERE due <= now() ORDER BY due, id;

-- claim_due --
-- Keep other schedulers from starting this profile; returns nothing if one already has
SELECT id FROM profiles WHERE id = $1 AND due <= now() FOR UPDATE SKIP LOCKED;

-- set_due --
-- Store when a profile runs next, and why its schedule failed the last time
UPDATE profiles SET due = $2, schedule_error = $3 WHERE id = $1;

-- lock --
-- Let only one transaction at a time start a run of this profile
SELECT id FROM profiles WHERE id = $1 FOR UPDATE;

-- remove --
-- Delete a profile; what it archived stays
DELETE FROM profiles WHERE id = $1;

-- open_run --
-- The open run of a profile, if there is one
SELECT id FROM runs WHERE profile_id = $1 AND state IN ('running', 'cancelling');

-- ensure_mailboxes --
-- Create the mailboxes of these users and addresses that do not exist yet
INSERT INTO mailboxes (user_id, address)
SELECT DISTINCT ON (user_id, lower(address)) user_id, address
FROM unnest($1::bigint[], $2::text[]) AS given (user_id, address)
ON CONFLICT DO NOTHING;

-- mailbox_ids --
-- The mailboxes of these users and addresses
SELECT given.user_id, given.address, id FROM mailboxes
JOIN unnest($1::bigint[], $2::text[]) AS given (user_id, address)
  ON mailboxes.user_id = given.user_id AND lower(mailboxes.address) = lower(given.address);

-- clear_mailboxes --
-- Detach all mailboxes from a profile, before its new list is stored
DELETE FROM profile_mailboxes WHERE profile_id = $1;

-- set_collecting --
-- Mark the mailboxes of a profile as collecting the mail of many users
UPDATE mailboxes SET collecting = true FROM profile_mailboxes WHERE profile_id = $1 AND mailboxes.id = mailbox_id;

-- count_mailboxes --
-- How many mailboxes a run of the profile would have if it started now
SELECT CASE WHEN (document #>> '{mailboxes,all}')::boolean
            THEN (SELECT count(*) FROM everybody WHERE profile_id = profiles.id)
            ELSE (SELECT count(*) FROM profile_mailboxes WHERE profile_id = profiles.id) END
FROM profiles WHERE id = $1;

-- mailboxes --
-- The mailboxes of a profile with their logins, without passwords
SELECT users.name AS user_name, address, login_user, server
FROM profile_mailboxes JOIN mailboxes ON mailboxes.id = mailbox_id JOIN users ON users.id = user_id
WHERE profile_id = $1 ORDER BY lower(address), lower(users.name);

-- first_mailbox --
-- A mailbox to test the profile with: the named one, or else the first
SELECT mailboxes.id AS mailbox_id, mailboxes.address, users.name AS user_name,
       profile_mailboxes.login_user, profile_mailboxes.password, profile_mailboxes.server
FROM profile_mailboxes JOIN mailboxes ON mailboxes.id = mailbox_id JOIN users ON users.id = user_id
WHERE profile_id = $1 AND ($2::text IS NULL OR lower(address) = lower($2))
ORDER BY mailboxes.id LIMIT 1;

-- first_primary_address --
-- A user's address to test a profile of all users with: the named one, or else the first
SELECT 0::bigint AS mailbox_id, address, name AS user_name, NULL AS login_user, NULL::bytea AS password,
       '' AS server
FROM everybody WHERE profile_id = $1 AND ($2::text IS NULL OR lower(address) = lower($2)) ORDER BY user_id LIMIT 1;

-- all_mailboxes --
-- Every mailbox that a run of the profile would have if it started now; id 0: not archived before
SELECT mailboxes.id AS mailbox_id, mailboxes.address, users.name AS user_name,
       profile_mailboxes.login_user, profile_mailboxes.password, profile_mailboxes.server
FROM profile_mailboxes JOIN mailboxes ON mailboxes.id = mailbox_id JOIN users ON users.id = user_id
WHERE profile_id = $1
UNION ALL
SELECT coalesce(mailboxes.id, 0), everybody.address, name, NULL, NULL, ''
FROM everybody LEFT JOIN mailboxes
  ON mailboxes.user_id = everybody.user_id AND lower(mailboxes.address) = lower(everybody.address)
WHERE profile_id = $1 ORDER BY 2, 3;

-- unknown_users --
-- Which of these names and addresses, in lower case, belong to no user
SELECT given FROM unnest($1::text[]) AS given
WHERE NOT EXISTS (SELECT FROM users WHERE lower(name) = given)
  AND NOT EXISTS (SELECT FROM user_addresses WHERE lower(address) = given) ORDER BY given;

-- proofs --
-- Mailboxes of a profile with a proof: how many there are, how old the oldest comparison of UIDs is, and in how many a
-- folder was last seen unchanged by STATUS only
SELECT count(*) AS mailboxes, min(proven) AS oldest, count(*) FILTER (WHERE visited > proven) AS by_status
FROM mailboxes WHERE proven IS NOT NULL AND id IN (
    SELECT mailbox_id FROM profile_mailboxes WHERE profile_id = $1
    UNION ALL SELECT mailboxes.id FROM everybody JOIN mailboxes
      ON mailboxes.user_id = everybody.user_id AND lower(mailboxes.address) = lower(everybody.address)
    WHERE everybody.profile_id = $1);

-- sealed_otherwise --
-- The next profiles whose password does not begin with this header; no one changes them until the transaction ends
SELECT id, name, kind, document, schema_version, due, schedule_error, password FROM profiles
WHERE id > $1 AND password <> '' AND substring(password FROM 1 FOR length($2::bytea)) <> $2
ORDER BY id LIMIT $3 FOR UPDATE;

-- mailboxes_sealed_otherwise --
-- The next mailboxes whose password does not begin with this header; no one changes them until the transaction ends
SELECT profile_id, mailbox_id, address, login_user, profile_mailboxes.password, server
FROM profile_mailboxes JOIN mailboxes ON mailboxes.id = mailbox_id
WHERE (profile_id, mailbox_id) > ($1, $2) AND profile_mailboxes.password <> ''
  AND substring(profile_mailboxes.password FROM 1 FOR length($3::bytea)) <> $3
ORDER BY profile_id, mailbox_id LIMIT $4 FOR UPDATE OF profile_mailboxes;
