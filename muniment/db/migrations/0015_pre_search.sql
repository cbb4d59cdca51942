-- The index, rewritten: documents with their access list, an outbox that no change can slip past, rebuilds beside the
-- living index, and an account of what is not or only partly indexed. docs/decisions/0016.

-- The version says which of two workers that index one message at once read the later state.
-- In large steps: OpenSearch counts one up when somebody changes a document behind our back.
CREATE SEQUENCE index_versions AS bigint START WITH 1000 INCREMENT BY 1000;

-- What the index still has to hear of. Rows are only added (by triggers) and taken away by who indexed; a message may
-- stand here several times. `building`: only the index that is being built beside the living one wants it.
DROP TABLE index_outbox;
CREATE TABLE index_outbox (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    store_id   smallint NOT NULL,
    message_id bigint NOT NULL,
    building   boolean NOT NULL DEFAULT false,
    added      timestamptz NOT NULL DEFAULT now()
);

-- Messages that are not in the index (`indexed` false), or not with all their text, and why.
CREATE TABLE index_problems (
    store_id   smallint NOT NULL,
    message_id bigint NOT NULL,
    indexed    boolean NOT NULL,
    reasons    text[] NOT NULL,
    attempts   integer NOT NULL DEFAULT 1,
    not_before timestamptz,                -- the next try; none where another one would say the same
    since      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (message_id, store_id)
);
CREATE INDEX index_problems_due ON index_problems (not_before) WHERE not_before IS NOT NULL;

-- The index of a store at a backend: generation `live` is searched, `building` is made beside it.
CREATE TABLE index_generations (
    store_id   smallint NOT NULL REFERENCES stores,
    backend    text NOT NULL,
    live       integer NOT NULL DEFAULT 1,
    building   integer,
    cursor     bigint NOT NULL DEFAULT 0,  -- messages up to here were handed to the outbox
    upto       bigint,                     -- the last one that there was when it had begun; later ones come by themselves
    handed     bigint NOT NULL DEFAULT 0,  -- so many were handed over …
    total      bigint NOT NULL DEFAULT 0,  -- … of so many
    started    timestamptz,
    -- the last comparison of ids both ways, and what it found
    reconciled timestamptz,
    missing    bigint NOT NULL DEFAULT 0,
    ghosts     bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (store_id, backend)
);

-- One row while the index takes nothing: since when, why, and when it is tried again.
CREATE TABLE index_pause (
    only_one   boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    since      timestamptz NOT NULL DEFAULT now(),
    failures   integer NOT NULL DEFAULT 1,
    not_before timestamptz NOT NULL,
    reason     text NOT NULL
);

-- Text of attachments by the SHA-256 of their bytes: read once, however many messages have it. `reader` grows when
-- the readers learn something.
CREATE TABLE attachment_texts (
    sha256  bytea PRIMARY KEY,
    reader  integer NOT NULL,
    type    text NOT NULL,
    text    text NOT NULL,
    problem text NOT NULL DEFAULT '',
    read    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE saved_searches (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id   bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    name      text NOT NULL,
    query     text NOT NULL,
    created   timestamptz NOT NULL DEFAULT now(),
    requested timestamptz,                 -- to be run by the scheduler
    last_run  timestamptz,
    results   bigint,
    error     text
);
CREATE UNIQUE INDEX saved_searches_name ON saved_searches (user_id, lower(name));

-- The index within PostgreSQL. Long texts have more positions than a tsvector counts: phrases in them are found in
-- passages.
DROP TABLE search_documents;
CREATE TABLE search_documents (
    store_id       smallint NOT NULL,
    message_id     bigint NOT NULL,
    version        bigint NOT NULL,
    generation     integer NOT NULL,
    document       tsvector NOT NULL,
    is_long        boolean NOT NULL,
    date           timestamptz NOT NULL,
    size           bigint NOT NULL,
    header_id      text NOT NULL,          -- Message-ID
    sender         text NOT NULL,
    archives       bigint[] NOT NULL,      -- users who have it, the access list
    folders        bigint[] NOT NULL,
    flags          text[] NOT NULL,        -- user/flag
    is_filed       boolean NOT NULL,       -- stands in the archive of somebody, and not only where mail is collected
    has_attachment boolean NOT NULL,
    types          text[] NOT NULL,
    PRIMARY KEY (message_id, store_id)
) PARTITION BY LIST (store_id);
CREATE INDEX search_documents_document ON search_documents USING gin (document);
CREATE INDEX search_documents_date ON search_documents (date, message_id);
CREATE INDEX search_documents_archives ON search_documents USING gin (archives);
CREATE INDEX search_documents_header_id ON search_documents USING hash (header_id);

CREATE TABLE search_passages (
    store_id   smallint NOT NULL,
    message_id bigint NOT NULL,
    passage    integer NOT NULL,
    words      tsvector NOT NULL,
    PRIMARY KEY (message_id, passage, store_id)
) PARTITION BY LIST (store_id);

CREATE OR REPLACE FUNCTION create_store(store_name text) RETURNS smallint LANGUAGE plpgsql AS $$
DECLARE
    store smallint;
    parent text;
BEGIN
    UPDATE stores SET state = 'normal' WHERE state = 'current';
    INSERT INTO stores (name, state) VALUES (store_name, 'current') RETURNING id INTO store;
    FOREACH parent IN ARRAY ARRAY['messages', 'contents', 'entries', 'search_documents', 'search_passages'] LOOP
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', parent || '_' || store, parent);
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES IN (%s)', parent, parent || '_' || store, store);
    END LOOP;
    RETURN store;
END
$$;

DO $$
DECLARE
    store record;
    parent text;
BEGIN
    FOR store IN SELECT id FROM stores LOOP
        FOREACH parent IN ARRAY ARRAY['search_documents', 'search_passages'] LOOP
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES IN (%s)',
                           parent || '_' || store.id, parent, store.id);
        END LOOP;
    END LOOP;
END
$$;

-- Nothing is indexed in the new way yet: the scheduler compares and hands everything to the outbox, piece by piece.
UPDATE store_counts SET documents = 0;

-- Counts what comes into the index within PostgreSQL and leaves it. Two workers may put one message at once: only here
-- it is known which of them added it.
CREATE FUNCTION count_documents() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO store_counts (store_id, messages, bytes, entries, documents)
    SELECT store_id, 0, 0, 0, CASE TG_OP WHEN 'INSERT' THEN count(*) ELSE -count(*) END FROM changed GROUP BY store_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER documents_added AFTER INSERT ON search_documents REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION count_documents();
CREATE TRIGGER documents_removed AFTER DELETE ON search_documents REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION count_documents();

-- Tells the index of messages whose places changed. Of the same content in other stores, too: a new place there may
-- make one here a former one.
CREATE FUNCTION tell_index() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        INSERT INTO index_outbox (store_id, message_id) SELECT DISTINCT store_id, message_id FROM before;
    ELSE
        INSERT INTO index_outbox (store_id, message_id) SELECT DISTINCT store_id, message_id FROM after;
        IF (SELECT count(*) FROM stores) > 1 THEN
            INSERT INTO index_outbox (store_id, message_id)
            SELECT DISTINCT same.store_id, same.id
            FROM after JOIN messages ON messages.id = after.message_id AND messages.store_id = after.store_id
            JOIN messages AS same ON same.sha256 = messages.sha256 AND same.store_id <> messages.store_id;
        END IF;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER entries_added AFTER INSERT ON entries REFERENCING NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION tell_index();
CREATE TRIGGER entries_changed AFTER UPDATE ON entries REFERENCING NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION tell_index();
CREATE TRIGGER entries_removed AFTER DELETE ON entries REFERENCING OLD TABLE AS before
    FOR EACH STATEMENT EXECUTE FUNCTION tell_index();
