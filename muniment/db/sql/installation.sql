-- key_check --
SELECT key_check FROM installation;

-- set_key_check --
-- The first key counts
INSERT INTO installation (key_check) VALUES ($1) ON CONFLICT DO NOTHING;

-- replace_key_check --
UPDATE installation SET key_check = $1;

-- forget_profile_passwords --
UPDATE profiles SET password = '' WHERE password <> '';

-- forget_mailbox_passwords --
UPDATE profile_mailboxes SET password = '' WHERE password IS NOT NULL;

-- is_empty --
SELECT NOT EXISTS (SELECT FROM users) AND NOT EXISTS (SELECT FROM profiles) AND NOT EXISTS (SELECT FROM messages);

-- is_bare --
-- Whether nothing was ever migrated here
SELECT to_regclass('public.installation') IS NULL;

-- put_aside --
ALTER SCHEMA public RENAME TO before_restore;

-- make_bare --
CREATE SCHEMA public;

-- drop_restored --
DROP SCHEMA public CASCADE;

-- bring_back --
ALTER SCHEMA before_restore RENAME TO public;

-- forget_aside --
DROP SCHEMA before_restore CASCADE;
