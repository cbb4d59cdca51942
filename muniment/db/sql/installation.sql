-- key_check --
-- The check value of the installation's key
SELECT key_check FROM installation;

-- set_key_check --
-- Store the check value of the first key; a later one does not replace it
INSERT INTO installation (key_check) VALUES ($1) ON CONFLICT DO NOTHING;

-- replace_key_check --
-- Store the check value of a new key
UPDATE installation SET key_check = $1;

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
