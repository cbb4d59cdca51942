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
