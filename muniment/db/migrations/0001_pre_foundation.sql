-- The foundation: users, stores, profiles, runs and jobs, folders and messages, index.
-- docs/decisions/0006 says why the tables of a store are partitions and which indexes stay local.

-- One row: what only the right key decrypts, so that a wrong one is noticed before it is used.
CREATE TABLE installation (
    only_one  boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    key_check bytea NOT NULL
);

CREATE TABLE users (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name    text NOT NULL,
    created timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX users_name ON users (lower(name));

CREATE TABLE user_addresses (
    user_id  bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    position smallint NOT NULL,            -- 0 = primary
    address  text NOT NULL,
    PRIMARY KEY (user_id, position)
);
CREATE UNIQUE INDEX user_addresses_address ON user_addresses (lower(address));

-- One source in a user's archive; its address is the name of the root folder.
CREATE TABLE mailboxes (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users,
    address text NOT NULL,
    source  text,                          -- server and account that the UIDs of its folders belong to
    proven  timestamptz                    -- last time that every folder was proven complete
);
CREATE UNIQUE INDEX mailboxes_user_address ON mailboxes (user_id, lower(address));

CREATE TABLE profiles (
    id                      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name                    text NOT NULL,
    kind                    text NOT NULL CHECK (kind IN ('single', 'master', 'csv')),
    host                    text NOT NULL,
    port                    integer NOT NULL CHECK (port BETWEEN 1 AND 65535),
    access                  text NOT NULL CHECK (access IN ('imap', 'imap-tls', 'imap-ssl')),
    accept_all_certificates boolean NOT NULL,
    timeout_seconds         double precision NOT NULL CHECK (timeout_seconds > 0),
    login                   text NOT NULL,
    login_user              text NOT NULL,
    password                bytea NOT NULL,  -- sealed, muniment/secrecy.py; empty for csv
    all_mailboxes           boolean NOT NULL,
    max_jobs                integer NOT NULL CHECK (max_jobs > 0),
    allow_same_mailbox      boolean NOT NULL,
    no_master_mailbox       boolean NOT NULL,
    created                 timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX profiles_name ON profiles (lower(name));

-- Mailboxes that a profile names itself (all but master with all_mailboxes).
CREATE TABLE profile_mailboxes (
    profile_id bigint NOT NULL REFERENCES profiles ON DELETE CASCADE,
    mailbox_id bigint NOT NULL REFERENCES mailboxes,
    login_user text,                       -- csv: a login of its own
    password   bytea,                      -- csv: sealed
    PRIMARY KEY (profile_id, mailbox_id)
);
CREATE INDEX profile_mailboxes_mailbox ON profile_mailboxes (mailbox_id);

-- Tells whether some profile archives a mailbox: it is named there, or is somebody's primary address and all are.
CREATE FUNCTION is_archived(mailbox mailboxes) RETURNS boolean STABLE LANGUAGE sql RETURN
    EXISTS (SELECT FROM profile_mailboxes WHERE mailbox_id = mailbox.id)
    OR (EXISTS (SELECT FROM profiles WHERE all_mailboxes) AND EXISTS (
        SELECT FROM user_addresses
        WHERE user_id = mailbox.user_id AND position = 0 AND lower(address) = lower(mailbox.address)));

CREATE TABLE runs (
    id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    profile_id         bigint REFERENCES profiles ON DELETE SET NULL,
    profile_name       text NOT NULL,      -- a run outlives its profile
    warnings           text[] NOT NULL DEFAULT '{}',
    state              text NOT NULL DEFAULT 'running'
                       CHECK (state IN ('running', 'cancelling', 'succeeded', 'failed', 'cancelled')),
    started            timestamptz NOT NULL DEFAULT now(),
    finished           timestamptz,
    master_fingerprint bytea,              -- of the privileged user's own mailbox; empty: it has none
    master_looked      timestamptz,        -- when it was looked up
    master_failure     text NOT NULL DEFAULT '',  -- why that failed
    master_throttled   boolean NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX runs_one_open ON runs (profile_id) WHERE state IN ('running', 'cancelling');

CREATE TABLE jobs (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id      bigint NOT NULL REFERENCES runs,
    mailbox_id  bigint NOT NULL REFERENCES mailboxes,
    state       text NOT NULL DEFAULT 'waiting'
                CHECK (state IN ('waiting', 'sent', 'running', 'done', 'failed', 'cancelled')),
    fence       bigint NOT NULL DEFAULT 0,   -- grows with every lease; a commit must show the newest
    lease_until timestamptz,
    not_before  timestamptz NOT NULL DEFAULT now(),
    attempt     integer NOT NULL DEFAULT 0,  -- failures in a row without progress
    strikes     integer NOT NULL DEFAULT 0,  -- their weight: ten for most, less for what is not the mailbox's fault
    broke_folder bigint,                     -- where the connection broke the last time: at this folder …
    broke_uid   bigint,                      -- … and message (0: before any was fetched) …
    broke_times integer NOT NULL DEFAULT 0,  -- … so many times in a row
    breaks      integer NOT NULL DEFAULT 0,  -- messages and folders given up because it broke there at each try
    losses      integer NOT NULL DEFAULT 0,  -- silent workers in a row without progress
    worker      text,
    fingerprint bytea,                       -- of the mailbox that the server opened
    seen        bigint NOT NULL DEFAULT 0,
    archived    bigint NOT NULL DEFAULT 0,
    known       bigint NOT NULL DEFAULT 0,
    quarantined bigint NOT NULL DEFAULT 0,
    bytes       bigint NOT NULL DEFAULT 0,
    error       text,
    hint        text,
    warnings    text[] NOT NULL DEFAULT '{}',
    started     timestamptz,
    finished    timestamptz,
    UNIQUE (run_id, mailbox_id)
) WITH (fillfactor = 70);
CREATE INDEX jobs_waiting ON jobs (run_id, not_before, id) WHERE state = 'waiting';
CREATE INDEX jobs_leased ON jobs (run_id, lease_until) WHERE state IN ('sent', 'running');
CREATE INDEX jobs_mailbox ON jobs (mailbox_id);
CREATE INDEX jobs_unfinished ON jobs (mailbox_id) WHERE state IN ('waiting', 'sent', 'running');
CREATE INDEX jobs_fingerprint ON jobs (run_id, substr(fingerprint, 1, 32)) WHERE fingerprint IS NOT NULL;
CREATE UNIQUE INDEX jobs_one_writer ON jobs (mailbox_id) WHERE state = 'running';

CREATE TABLE folders (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    mailbox_id    bigint NOT NULL REFERENCES mailboxes,
    wire_name     bytea NOT NULL,          -- as the server spells it
    path          text[] NOT NULL,
    uidvalidity   bigint NOT NULL DEFAULT 0,
    last_uid      bigint NOT NULL DEFAULT 0,  -- the cursor: moves only with the messages below it
    renumbered    boolean NOT NULL DEFAULT false,  -- holds entries of an older UIDVALIDITY
    -- STATUS at the last proof; a folder that did not move since needs no EXAMINE
    uidnext       bigint,
    messages      bigint,
    highestmodseq bigint,
    -- the completeness proof
    proven        timestamptz,
    on_server     bigint NOT NULL DEFAULT 0,
    missing       bigint NOT NULL DEFAULT 0,
    -- the server refused to open it
    refused       timestamptz,
    refusal       text NOT NULL DEFAULT '',
    UNIQUE (mailbox_id, wire_name)
) WITH (fillfactor = 70);

-- UIDVALIDITYs of our own, used below 0 where no server's can be: for folders whose server has none, and for entries
-- whose numbering the server gave up. None is ever used twice.
CREATE SEQUENCE numberings AS bigint;

CREATE TABLE quarantine (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    folder_id   bigint NOT NULL REFERENCES folders,
    uidvalidity bigint NOT NULL,
    uid         bigint NOT NULL,
    reason      text NOT NULL,
    first_seen  timestamptz NOT NULL DEFAULT now(),
    last_tried  timestamptz NOT NULL DEFAULT now(),
    attempts    integer NOT NULL DEFAULT 1,
    UNIQUE (folder_id, uidvalidity, uid)
);
CREATE TABLE quarantine_parts (
    quarantine_id bigint NOT NULL REFERENCES quarantine ON DELETE CASCADE,
    part          integer NOT NULL,
    codec         smallint NOT NULL,
    data          bytea NOT NULL,
    PRIMARY KEY (quarantine_id, part)
);

CREATE TABLE stores (
    id      smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name    text NOT NULL UNIQUE,
    state   text NOT NULL CHECK (state IN ('current', 'normal', 'write-protected', 'disabled')),
    created timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX stores_one_current ON stores (state) WHERE state = 'current';

CREATE SEQUENCE message_ids AS bigint CACHE 100;

CREATE TABLE messages (
    store_id    smallint NOT NULL,
    id          bigint NOT NULL DEFAULT nextval('message_ids'),
    sha256      bytea NOT NULL,
    size        bigint NOT NULL,
    archived    timestamptz NOT NULL DEFAULT now(),
    message_id  text NOT NULL,             -- the header; metadata, never an identity
    subject     text NOT NULL,
    sender      text NOT NULL,
    recipients  text NOT NULL,
    date        timestamptz,
    raw_headers jsonb,                     -- original text of fields that could not be decoded
    PRIMARY KEY (id, store_id),
    UNIQUE (sha256, store_id)
) PARTITION BY LIST (store_id);

CREATE TABLE contents (
    store_id   smallint NOT NULL,
    message_id bigint NOT NULL,
    part       integer NOT NULL,
    codec      smallint NOT NULL,
    data       bytea STORAGE EXTERNAL NOT NULL,  -- compressed already: pglz would only cost time
    PRIMARY KEY (message_id, part, store_id)
) PARTITION BY LIST (store_id);

CREATE TABLE entries (
    store_id      smallint NOT NULL,
    folder_id     bigint NOT NULL,
    uidvalidity   bigint NOT NULL,
    uid           bigint NOT NULL,
    message_id    bigint NOT NULL,
    internal_date timestamptz,
    flags         text[] NOT NULL,
    archived      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (folder_id, uidvalidity, uid, store_id)
) PARTITION BY LIST (store_id);
CREATE INDEX entries_message ON entries (message_id);

CREATE TABLE search_documents (
    store_id   smallint NOT NULL,
    message_id bigint NOT NULL,
    document   tsvector NOT NULL,
    problem    text NOT NULL DEFAULT '',   -- what the body parser could not read
    PRIMARY KEY (message_id, store_id)
) PARTITION BY LIST (store_id);
CREATE INDEX search_documents_document ON search_documents USING gin (document);

-- What the index still has to hear of; a row leaves in the transaction that indexes it.
CREATE TABLE index_outbox (
    store_id   smallint NOT NULL,
    message_id bigint NOT NULL,
    attempts   integer NOT NULL DEFAULT 0,
    not_before timestamptz NOT NULL DEFAULT now(),
    error      text,
    PRIMARY KEY (store_id, message_id)
);
CREATE INDEX index_outbox_due ON index_outbox (not_before, message_id);

-- Processes report here, so that `status` needs no broker.
CREATE TABLE processes (
    name        text PRIMARY KEY,
    kind        text NOT NULL CHECK (kind IN ('scheduler', 'archive', 'index')),
    host        text NOT NULL,
    pid         integer NOT NULL,
    concurrency integer NOT NULL,
    started     timestamptz NOT NULL DEFAULT now(),
    seen        timestamptz NOT NULL DEFAULT now()
);

-- How much each store holds: a row for each transaction that changed it, summed up by the scheduler now and then.
-- Adding a row waits for nobody, and counting hundreds of millions of rows would take minutes.
CREATE TABLE store_counts (
    store_id  smallint NOT NULL,
    messages  bigint NOT NULL,
    bytes     bigint NOT NULL,             -- of the originals
    entries   bigint NOT NULL,
    documents bigint NOT NULL              -- in the full-text index
);

-- Creates a store with its partitions and makes it current; the former current one becomes normal. The partitions are
-- made first and attached then, because that does not keep readers out.
CREATE FUNCTION create_store(store_name text) RETURNS smallint LANGUAGE plpgsql AS $$
DECLARE
    store smallint;
    parent text;
BEGIN
    UPDATE stores SET state = 'normal' WHERE state = 'current';
    INSERT INTO stores (name, state) VALUES (store_name, 'current') RETURNING id INTO store;
    FOREACH parent IN ARRAY ARRAY['messages', 'contents', 'entries', 'search_documents'] LOOP
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', parent || '_' || store, parent);
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES IN (%s)', parent, parent || '_' || store, store);
    END LOOP;
    RETURN store;
END
$$;

SELECT create_store(to_char(now(), 'YYYY-MM'));
