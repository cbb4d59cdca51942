-- What the index lacks of a message or guessed, for programs: a code and the part of the message beside each reason.
-- Rows of earlier versions have neither.
ALTER TABLE index_problems ADD COLUMN codes text[] NOT NULL DEFAULT '{}';
ALTER TABLE index_problems ADD COLUMN parts text[] NOT NULL DEFAULT '{}';

-- With which version of Muniment's documents the live index of a store was built. An older one is rebuilt in the
-- background.
ALTER TABLE index_generations ADD COLUMN documents_version integer NOT NULL DEFAULT 1;
