-- What the index lacks of a message or guessed, for programs: a code and the part of the message beside each reason.
-- Rows of earlier versions have neither.
ALTER TABLE index_problems ADD COLUMN codes text[] NOT NULL DEFAULT '{}';
ALTER TABLE index_problems ADD COLUMN parts text[] NOT NULL DEFAULT '{}';

-- With which version of Muniment's documents the live index of a store was built. An older one is rebuilt in the
-- background.
ALTER TABLE index_generations ADD COLUMN documents_version integer NOT NULL DEFAULT 1;

-- Envelope recipients that the header of a message does not show. Each is found in the archive of that user only.
CREATE TABLE blind_recipients (
    store_id   smallint NOT NULL,
    message_id bigint NOT NULL,
    user_id    bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    address    text NOT NULL,
    PRIMARY KEY (message_id, store_id, user_id, address)
);
