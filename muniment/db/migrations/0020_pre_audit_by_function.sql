-- Makes the audit log a table that can only be added to, by one function, and gives each row what identifies the actor.
--
-- The protection holds against a role that does not own these objects (docs/decisions/0021). `muniment migrate` grants
-- such a role the rest (muniment/db/roles.py). Processes of the version before add rows directly, so the new columns
-- have defaults; they can do so only while they connect as the owner.

ALTER TABLE audit
    ADD COLUMN outcome   text NOT NULL DEFAULT 'done' CHECK (outcome IN ('begun', 'done', 'refused', 'failed')),
    ADD COLUMN details   jsonb,    -- what was asked for, or why it failed; never contents of mail
    ADD COLUMN os_uid    bigint,   -- the process's user id, as the process reports it
    ADD COLUMN os_name   text,     -- the account with that id
    ADD COLUMN login_uid bigint,   -- the account that logged in (Linux keeps it across sudo and su)
    ADD COLUMN claimed   text,     -- who the caller claims to be, such as SUDO_USER; proves nothing
    ADD COLUMN role      text,     -- the role that was connected to PostgreSQL
    ADD COLUMN client    inet;     -- the address that it connected from; null: a Unix socket

-- The only way to add a row without owning the table. Time, role and address come from PostgreSQL, not from the caller.
CREATE FUNCTION record_act(
    who text, action text, subject text, outcome text, before jsonb, after jsonb, details jsonb,
    os_uid bigint, os_name text, login_uid bigint, claimed text
) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO audit (at, who, action, subject, outcome, before, after, details,
                       os_uid, os_name, login_uid, claimed, role, client)
    VALUES (clock_timestamp(), $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, session_user, inet_client_addr());
$$;
REVOKE ALL ON FUNCTION record_act FROM PUBLIC;

CREATE FUNCTION keep_audit() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'the audit log can only be added to' USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER keep_audit BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION keep_audit();
-- ALWAYS: session_replication_role = replica does not switch it off.
ALTER TABLE audit ENABLE ALWAYS TRIGGER keep_audit;

-- Partitions are created while Muniment runs, by a role that owns no table: the function acts as the owner. Only the
-- parts that it needs are changed against 0015: SECURITY DEFINER, and a search path that the caller cannot choose.
CREATE OR REPLACE FUNCTION create_store(store_name text) RETURNS smallint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
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
REVOKE ALL ON FUNCTION create_store FROM PUBLIC;
