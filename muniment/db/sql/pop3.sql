-- lock --
-- Whoever numbers the same mailbox waits
SELECT id FROM mailboxes WHERE id = $1 FOR UPDATE;

-- known --
SELECT uidl, uid FROM pop3_uidls WHERE mailbox_id = $1 AND uidl = ANY ($2::text[]);

-- add --
-- Numbers for new ids, above all that were given, in their order
INSERT INTO pop3_uidls (mailbox_id, uidl, uid)
SELECT $1, uidl, (SELECT coalesce(max(uid), 0) FROM pop3_uidls WHERE mailbox_id = $1) + position
FROM unnest($2::text[]) WITH ORDINALITY AS given (uidl, position);

-- last --
SELECT coalesce(max(uid), 0) FROM pop3_uidls WHERE mailbox_id = $1;
