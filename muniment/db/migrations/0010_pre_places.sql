-- Messages that left their place on the mail server: moved, deleted there, or their folder is gone. The entry stays.
ALTER TABLE entries ADD COLUMN gone timestamptz;
CREATE INDEX entries_gone ON entries (folder_id, uidvalidity, uid) WHERE gone IS NOT NULL;

-- The server does not list the folder any more, since then.
ALTER TABLE folders ADD COLUMN vanished timestamptz;

-- What was given a numbering of our own before there was this column stands at no place that the server knows.
UPDATE entries SET gone = now() WHERE uidvalidity < 0
    AND uidvalidity <> (SELECT uidvalidity FROM folders WHERE folders.id = entries.folder_id);

-- Tells whether an entry is a place where a message stood before: it left that one, and is found at another one of the
-- same mailbox, on the server still, or left later. Only asked about entries that are gone.
CREATE FUNCTION is_former(place entries) RETURNS boolean STABLE LANGUAGE sql RETURN EXISTS (
    SELECT FROM messages
    JOIN messages AS same ON same.sha256 = messages.sha256
    JOIN entries AS other ON other.message_id = same.id AND other.store_id = same.store_id
    JOIN folders ON folders.id = other.folder_id
    WHERE messages.id = place.message_id AND messages.store_id = place.store_id
      AND folders.mailbox_id = (SELECT mailbox_id FROM folders WHERE folders.id = place.folder_id)
      AND (other.gone IS NULL
           OR (other.gone, other.folder_id, other.uidvalidity, other.uid)
              > (place.gone, place.folder_id, place.uidvalidity, place.uid)));

-- The ledger: every message that a rule for deletion took from a mail server. A row is written before the server is
-- told, and marked when the server does not list the message any more.
CREATE TABLE deletions (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id      bigint NOT NULL REFERENCES runs,
    mailbox_id  bigint NOT NULL REFERENCES mailboxes,
    folder_id   bigint NOT NULL REFERENCES folders,
    uidvalidity bigint NOT NULL,           -- as the server told it
    uid         bigint NOT NULL,
    sha256      bytea NOT NULL,
    planned     timestamptz NOT NULL DEFAULT now(),
    deleted     timestamptz,
    -- With the hash: a server may come back to an old UIDVALIDITY and give a UID to another message.
    UNIQUE (folder_id, uidvalidity, uid, sha256)
);
CREATE INDEX deletions_run ON deletions (run_id, id);
CREATE INDEX deletions_open ON deletions (folder_id) WHERE deleted IS NULL;

-- Messages deleted on the server during the run of a job.
ALTER TABLE jobs ADD COLUMN deleted bigint NOT NULL DEFAULT 0;
