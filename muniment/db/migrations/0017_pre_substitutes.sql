-- What is not what it seems: messages that a server made up in place of others, messages of another size than
-- announced, and runs that ended without all of the mail.

-- announced: the size that the server announced, where it delivered another one. substitute: what the message is, if
-- the server delivered it in place of the original.
ALTER TABLE entries ADD COLUMN announced bigint, ADD COLUMN substitute text;

-- A message in quarantine may be archived as a substitute, whose name stands here. retry: an administrator wants it to
-- be tried again. accepted: an administrator accepts that it is missing, and why. size: of the bytes that arrived.
ALTER TABLE quarantine
    ADD COLUMN substitute  text NOT NULL DEFAULT '',
    ADD COLUMN retry       boolean NOT NULL DEFAULT false,
    ADD COLUMN accepted    timestamptz,
    ADD COLUMN accepted_by text,
    ADD COLUMN acceptance  text,
    ADD COLUMN size        bigint;

-- Messages on the server that are missing and accepted, at the last proof.
ALTER TABLE folders ADD COLUMN accepted bigint NOT NULL DEFAULT 0;

-- What the folders of a mailbox held when its job was done. on_server is NULL before that.
ALTER TABLE jobs
    ADD COLUMN on_server   bigint,
    ADD COLUMN missing     bigint NOT NULL DEFAULT 0,
    ADD COLUMN accepted    bigint NOT NULL DEFAULT 0,
    ADD COLUMN left_out    bigint NOT NULL DEFAULT 0,  -- by the filter, or without an owner
    ADD COLUMN substitutes bigint NOT NULL DEFAULT 0,  -- of the missing ones, those that are archived as substitutes
    ADD COLUMN odd_sizes   bigint NOT NULL DEFAULT 0;  -- archived in this run, of another size than announced

-- The run ended without a failed mailbox, but messages are missing. A column of its own, because earlier versions do
-- not know such a state.
ALTER TABLE runs ADD COLUMN incomplete boolean NOT NULL DEFAULT false;

-- Archived messages that a rule for deletion would have taken from the server, and that stay there because something is
-- wrong with them: as of the last time that the rule was applied to the folder.
CREATE TABLE kept (
    folder_id   bigint NOT NULL REFERENCES folders,
    uidvalidity bigint NOT NULL,
    uid         bigint NOT NULL,
    run_id      bigint NOT NULL REFERENCES runs,
    sha256      bytea NOT NULL,
    reason      text NOT NULL,
    announced   bigint,                    -- if the sizes differ: what the server announces …
    received    bigint,                    -- … and what it delivered
    noted       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (folder_id, uidvalidity, uid)
);

-- Few folders lack messages.
CREATE INDEX folders_missing ON folders (mailbox_id) WHERE missing > 0;
