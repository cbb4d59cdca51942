-- A proof means that UIDs were compared (docs/decisions/0019). `proven` is the time of the last comparison; an unchanged
-- STATUS no longer renews it. Flags of archived messages follow the server, with a history.

-- unmoved: a run saw the STATUS of the last comparison again, then; NULL: not since. flags_seen: flags were last
-- compared, then; flags_modseq: up to this mod-sequence (RFC 7162), NULL: not known.
ALTER TABLE folders ADD COLUMN unmoved timestamptz, ADD COLUMN flags_seen timestamptz, ADD COLUMN flags_modseq bigint;

-- proven: no folder's comparison is older, and nothing was missing. visited: the last run that compared every folder or
-- saw its STATUS unchanged. stretch: how many times as long as a small folder the largest one may wait.
ALTER TABLE mailboxes ADD COLUMN visited timestamptz, ADD COLUMN stretch smallint NOT NULL DEFAULT 1;

-- `proven` was renewed without a look. `proven_run` was not: the run that compared the folder began no later than that.
UPDATE folders SET unmoved = proven,
                   proven = least(proven, (SELECT started FROM runs WHERE runs.id = proven_run))
WHERE proven IS NOT NULL;
UPDATE mailboxes SET visited = proven,
                     proven = least(proven, (SELECT min(folders.proven) FROM folders
                                             WHERE mailbox_id = mailboxes.id AND NOT distributed AND vanished IS NULL))
WHERE proven IS NOT NULL;

-- What the flags of archived messages were before they changed on the server. One row holds all messages of a folder
-- that were found with the same change at the same time: most are marked as read, several at once.
CREATE TABLE flag_changes (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    folder_id   bigint NOT NULL REFERENCES folders,
    noticed     timestamptz NOT NULL DEFAULT now(),
    before      text[] NOT NULL,
    after       text[] NOT NULL,
    message_ids bigint[] NOT NULL
);
CREATE INDEX flag_changes_folder ON flag_changes (folder_id);
