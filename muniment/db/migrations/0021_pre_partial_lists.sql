-- POP3: why the list behind a folder's proof may be a part of the folder, as servers show others in other sessions; empty:
-- nothing suggests that.
ALTER TABLE folders ADD COLUMN partial text NOT NULL DEFAULT '';

-- The UIDs of POP3 are our own. Their UIDVALIDITY was 1, which IMAP servers use as well: after a change of protocol,
-- messages of one could pass for those of the other. Now it is "POP3" in ASCII.
UPDATE folders SET uidvalidity = 1347375155
WHERE uidvalidity = 1 AND wire_name = 'INBOX' AND NOT distributed
  AND mailbox_id IN (SELECT mailbox_id FROM pop3_uidls);
UPDATE entries SET uidvalidity = 1347375155 FROM folders
WHERE folders.id = folder_id AND folders.uidvalidity = 1347375155 AND entries.uidvalidity = 1;
UPDATE quarantine SET uidvalidity = 1347375155 FROM folders
WHERE folders.id = folder_id AND folders.uidvalidity = 1347375155 AND quarantine.uidvalidity = 1;
UPDATE unowned SET uidvalidity = 1347375155 FROM folders
WHERE folders.id = folder_id AND folders.uidvalidity = 1347375155 AND unowned.uidvalidity = 1;
UPDATE deletions SET uidvalidity = 1347375155 FROM folders
WHERE folders.id = folder_id AND folders.uidvalidity = 1347375155 AND deletions.uidvalidity = 1;
