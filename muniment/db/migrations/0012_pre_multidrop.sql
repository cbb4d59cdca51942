-- Mailboxes that hold the mail of many users: what they hold is filed again for its owners.
ALTER TABLE mailboxes ADD COLUMN collecting boolean NOT NULL DEFAULT false;

-- A folder in a user's archive that such mail is filed in; its wire name begins with a NUL, as no server's does. Its
-- entries have the UIDVALIDITY 0, and UIDs above all that a server may give.
ALTER TABLE folders ADD COLUMN distributed boolean NOT NULL DEFAULT false;
CREATE SEQUENCE distributed_uids AS bigint START WITH 4294967296;

-- What stood around a message in a journal report: before it, with the envelope, and after it.
ALTER TABLE entries ADD COLUMN wrapper_begin bytea, ADD COLUMN wrapper_end bytea;

-- Messages that belong to nobody and stay on the server, as their profile says; asked for again when there is a new
-- address.
CREATE TABLE unowned (
    folder_id   bigint NOT NULL REFERENCES folders,
    uidvalidity bigint NOT NULL,
    uid         bigint NOT NULL,
    last_tried  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (folder_id, uidvalidity, uid)
);
ALTER TABLE user_addresses ADD COLUMN added timestamptz NOT NULL DEFAULT now();
