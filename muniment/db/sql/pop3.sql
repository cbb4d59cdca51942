-- lock --
-- Let nobody else number this mailbox until the transaction ends
SELECT id FROM mailboxes WHERE id = $1 FOR UPDATE;

-- known --
-- The numbers that these unique ids have already
SELECT uidl, uid FROM pop3_uidls WHERE mailbox_id = $1 AND uidl = ANY ($2::text[]);

-- add --
-- Number new unique ids, in their order, above every number given before
INSERT INTO pop3_uidls (mailbox_id, uidl, uid)
SELECT $1, uidl, (SELECT coalesce(max(uid), 0) FROM pop3_uidls WHERE mailbox_id = $1) + position
FROM unnest($2::text[]) WITH ORDINALITY AS given (uidl, position);

-- last --
-- The highest number given in this mailbox so far
SELECT coalesce(max(uid), 0) FROM pop3_uidls WHERE mailbox_id = $1;
