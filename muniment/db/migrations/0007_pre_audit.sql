-- Who changed what.
CREATE TABLE audit (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT now(),
    who     text NOT NULL,
    action  text NOT NULL,             -- like `profile changed`
    subject text NOT NULL,             -- the name of what was changed
    before  jsonb,
    after   jsonb
);
CREATE INDEX audit_subject ON audit (lower(subject), id);
