-- What profiles learn: which messages, what is deleted on the server, when they run, how a collecting mailbox is
-- distributed. Empty: the defaults, which are what profiles did before.
ALTER TABLE profiles
    ADD COLUMN filter    jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN deletion  jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN schedule  jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN multidrop jsonb NOT NULL DEFAULT '{}',
    DROP CONSTRAINT profiles_kind_check,
    ADD CONSTRAINT profiles_kind_check CHECK (kind IN ('single', 'master', 'csv', 'multidrop'));

-- Messages on the server that the profile's filter left out at the last proof, and during the run of a job.
ALTER TABLE folders ADD COLUMN filtered bigint NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN filtered bigint NOT NULL DEFAULT 0;
