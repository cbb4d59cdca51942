-- find --
-- The installation's id, and the check value of its key
SELECT id, key_check FROM installation;

-- find_to_seal --
-- The same, and the key stays the active one until the transaction ends
SELECT id, key_check FROM installation FOR SHARE;

-- find_to_change --
-- The same, when no transaction seals anything any more, and none does until this one ends
SELECT id, key_check FROM installation FOR UPDATE;

-- add --
-- Store the id and the check value of the first key; later ones do not replace them
INSERT INTO installation (id, key_check) VALUES ($1, $2) ON CONFLICT DO NOTHING;

-- set_key_check --
-- Store the check value of a new key
UPDATE installation SET key_check = $1;

-- is_used --
-- Whether there is something that only a process with the installation's key can have written
SELECT EXISTS (SELECT FROM profiles WHERE password <> '')
    OR EXISTS (SELECT FROM profile_mailboxes WHERE password <> '')
    OR EXISTS (SELECT FROM messages);

-- keep_passwords --
-- Nobody stores a password until the transaction ends: also processes of a version that does not ask for the key's row
LOCK TABLE profiles, profile_mailboxes IN SHARE ROW EXCLUSIVE MODE;

-- forget_profile_passwords --
-- Delete the passwords of profiles, which a lost key makes unreadable
UPDATE profiles SET password = '' WHERE password <> '';

-- forget_mailbox_passwords --
-- Delete the passwords of mailboxes, which a lost key makes unreadable
UPDATE profile_mailboxes SET password = '' WHERE password IS NOT NULL;

-- is_empty --
-- Whether the installation holds neither users, profiles nor messages: only then may a backup be restored over it
SELECT NOT EXISTS (SELECT FROM users) AND NOT EXISTS (SELECT FROM profiles) AND NOT EXISTS (SELECT FROM messages);

-- is_bare --
-- Whether the database was never migrated
SELECT to_regclass('public.installation') IS NULL;

-- put_aside --
-- Keep the present tables until the restore has succeeded
ALTER SCHEMA public RENAME TO before_restore;

-- make_bare --
-- Make the empty schema that a restore fills
CREATE SCHEMA public;

-- drop_restored --
-- Undo a restore that failed, first part: delete what it made
DROP SCHEMA public CASCADE;

-- bring_back --
-- Undo a restore that failed, second part: bring the tables from before back
ALTER SCHEMA before_restore RENAME TO public;

-- forget_aside --
-- Delete the tables from before a restore that succeeded
DROP SCHEMA before_restore CASCADE;

-- sealed_by --
-- How many stored passwords begin with each header, which names version and key; version 1 names no key
SELECT CASE get_byte(password, 0) WHEN 1 THEN '\x01' ELSE substring(password FROM 1 FOR 9) END AS header,
       count(*) AS values
FROM (SELECT password FROM profiles UNION ALL SELECT password FROM profile_mailboxes) AS stored
WHERE length(password) > 0 GROUP BY 1 ORDER BY 2 DESC;

-- start_rotation --
-- Whether this session is the only one that rotates the key
SELECT pg_try_advisory_lock(hashtext('muniment key rotate'));

-- end_rotation --
-- Let others rotate the key
SELECT pg_advisory_unlock(hashtext('muniment key rotate'));
