-- Users whom a profile of all users leaves out: names or addresses, in lower case.
ALTER TABLE profiles ADD COLUMN except_users text[] NOT NULL DEFAULT '{}';

-- Tells whether a profile of all users leaves out the one with this id. Most leave out nobody: who asks about many users
-- looks at `except_users` first, because a call costs more than that.
CREATE FUNCTION leaves_out(profile profiles, who bigint) RETURNS boolean STABLE LANGUAGE sql RETURN EXISTS (
    SELECT FROM users LEFT JOIN user_addresses ON user_id = users.id
    WHERE users.id = who
      AND (lower(name) = ANY (profile.except_users) OR lower(address) = ANY (profile.except_users)));

-- The primary addresses that profiles of all users archive.
CREATE VIEW everybody AS
SELECT profiles.id AS profile_id, users.id AS user_id, users.name, address
FROM profiles CROSS JOIN users JOIN user_addresses ON user_id = users.id AND position = 0
WHERE all_mailboxes AND (except_users = '{}' OR NOT leaves_out(profiles, users.id));

-- As before, but for those who are left out.
CREATE OR REPLACE FUNCTION is_archived(mailbox mailboxes) RETURNS boolean STABLE LANGUAGE sql RETURN
    EXISTS (SELECT FROM profile_mailboxes WHERE mailbox_id = mailbox.id)
    OR (EXISTS (
        SELECT FROM profiles
        WHERE all_mailboxes AND (except_users = '{}' OR NOT leaves_out(profiles, mailbox.user_id)))
    AND EXISTS (
        SELECT FROM user_addresses
        WHERE user_id = mailbox.user_id AND position = 0 AND lower(address) = lower(mailbox.address)));
