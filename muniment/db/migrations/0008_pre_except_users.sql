-- Users whom a profile of all users leaves out: names or addresses, in lower case.
ALTER TABLE profiles ADD COLUMN except_users text[] NOT NULL DEFAULT '{}';

-- The primary addresses that profiles of all users archive.
CREATE VIEW everybody AS
SELECT profiles.id AS profile_id, users.id AS user_id, users.name, main.address
FROM profiles CROSS JOIN users JOIN user_addresses AS main ON main.user_id = users.id AND main.position = 0
WHERE profiles.all_mailboxes AND NOT lower(users.name) = ANY (except_users) AND NOT EXISTS (
    SELECT FROM user_addresses AS any_of_his
    WHERE any_of_his.user_id = users.id AND lower(any_of_his.address) = ANY (except_users));

CREATE OR REPLACE FUNCTION is_archived(mailbox mailboxes) RETURNS boolean STABLE LANGUAGE sql RETURN
    EXISTS (SELECT FROM profile_mailboxes WHERE mailbox_id = mailbox.id)
    OR EXISTS (SELECT FROM everybody
               WHERE everybody.user_id = mailbox.user_id AND lower(everybody.address) = lower(mailbox.address));
