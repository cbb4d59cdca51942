-- where --
-- Who is connected, and to which database of which server: two URLs must lead to the same one
SELECT current_user::text AS role, current_database()::text AS database, pg_postmaster_start_time() AS started;

-- separation --
-- What the connected role could do to the audit log, and what else it owns
SELECT session_user::text AS role, owner.rolname::text AS owner, me.rolsuper AS is_superuser,
       pg_has_role(session_user, owner.oid, 'MEMBER') AS acts_as_owner,
       has_table_privilege(session_user, log.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER')
           OR has_any_column_privilege(session_user, log.oid, 'INSERT, UPDATE') AS changes_audit,
       NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = log.oid AND tgname = 'keep_audit' AND tgenabled = 'A'
                   -- BEFORE (2), DELETE (8), UPDATE (16), TRUNCATE (32), for each statement
                   AND tgtype = 58 AND tgqual IS NULL) AS is_unguarded,
       EXISTS (SELECT FROM pg_class WHERE relnamespace = log.relnamespace AND relkind IN ('r', 'p', 'S', 'v')
               AND pg_has_role(session_user, relowner, 'MEMBER')) AS owns_tables,
       has_schema_privilege(session_user, log.relnamespace, 'CREATE') AS creates_objects,
       has_parameter_privilege(session_user, 'session_replication_role', 'SET') AS skips_triggers
FROM pg_class AS log JOIN pg_roles AS owner ON owner.oid = relowner, pg_roles AS me
WHERE log.oid = 'public.audit'::regclass AND me.rolname = session_user;

-- name_roles --
-- Tell the blocks below, until the end of the transaction, which roles they are about
SELECT set_config('muniment.owner', $1, true), set_config('muniment.runtime', $2, true),
       set_config('muniment.reader', $3, true);

-- name_login --
-- Tell `make_login` the role's name and the verifier of its password (empty: keep the password)
SELECT set_config('muniment.role', $1, true), set_config('muniment.verifier', $2, true);

-- make_login --
-- Create a role that may log in and do nothing else, or turn an existing one into such a role
DO $$
DECLARE
    role text := current_setting('muniment.role');
    verifier text := nullif(current_setting('muniment.verifier'), '');
    found pg_roles;
BEGIN
    SELECT * INTO found FROM pg_roles WHERE rolname = role;
    IF found.rolname IS NULL THEN
        EXECUTE format('CREATE ROLE %I LOGIN', role);
    ELSIF NOT found.rolcanlogin THEN
        EXECUTE format('ALTER ROLE %I LOGIN', role);
    END IF;
    IF found.rolcreatedb OR found.rolcreaterole THEN
        EXECUTE format('ALTER ROLE %I NOCREATEDB NOCREATEROLE', role);
    END IF;
    IF verifier IS NOT NULL THEN
        EXECUTE format('ALTER ROLE %I PASSWORD %L', role, verifier);
    END IF;
END
$$;

-- is_superuser --
-- Whether a role is a superuser; null: there is no such role
SELECT rolsuper FROM pg_roles WHERE rolname = $1;

-- make_reader --
-- Create the group of those who may read: nobody is in it at first
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = current_setting('muniment.reader')) THEN
        EXECUTE format('CREATE ROLE %I NOLOGIN', current_setting('muniment.reader'));
    END IF;
END
$$;

-- separate --
-- Let the runtime role act as nobody else
DO $$
DECLARE
    runtime text := current_setting('muniment.runtime');
    granted text;
BEGIN
    FOR granted IN SELECT pg_get_userbyid(roleid) FROM pg_auth_members
                   WHERE pg_get_userbyid(member) = runtime
                     AND pg_get_userbyid(roleid) = current_setting('muniment.owner')
    LOOP
        EXECUTE format('REVOKE %I FROM %I', granted, runtime);
    END LOOP;
END
$$;

-- become_owner --
-- An administrator who is no superuser must be a member of the owner in order to give it objects
DO $$
BEGIN
    IF NOT pg_has_role(current_user, current_setting('muniment.owner'), 'USAGE') THEN
        EXECUTE format('GRANT %I TO CURRENT_USER', current_setting('muniment.owner'));
    END IF;
END
$$;

-- take_over --
-- Give the database, the schema and everything in it to the owner
DO $$
DECLARE
    owner text := current_setting('muniment.owner');
    found record;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_database WHERE datname = current_database() AND pg_get_userbyid(datdba) = owner) THEN
        BEGIN
            EXECUTE format('ALTER DATABASE %I OWNER TO %I', current_database(), owner);
        EXCEPTION WHEN insufficient_privilege THEN  -- that takes CREATEDB, which a hosted server may refuse
            EXECUTE format('GRANT ALL ON DATABASE %I TO %I', current_database(), owner);
        END;
    END IF;
    IF NOT has_schema_privilege(owner, 'public', 'CREATE') THEN
        EXECUTE format('ALTER SCHEMA public OWNER TO %I', owner);
    END IF;
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), current_setting('muniment.runtime'));
    FOR found IN  -- sequences of a column change with their table
        SELECT relname, CASE relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
                                     ELSE 'TABLE' END AS kind
        FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'S', 'v', 'm')
          AND pg_get_userbyid(relowner) <> owner
          AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid
                          AND (deptype = 'e' OR relkind = 'S' AND deptype IN ('a', 'i')))
    LOOP
        EXECUTE format('ALTER %s public.%I OWNER TO %I', found.kind, found.relname, owner);
    END LOOP;
    FOR found IN SELECT oid::regprocedure AS name FROM pg_proc
                 WHERE pronamespace = 'public'::regnamespace AND pg_get_userbyid(proowner) <> owner
                   AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = pg_proc.oid
                                   AND deptype = 'e') LOOP
        EXECUTE format('ALTER ROUTINE %s OWNER TO %I', found.name, owner);
    END LOOP;
END
$$;

-- grant --
-- Give the runtime role what it needs and nothing else; repeated after each migration, because tables may be new.
-- A partition is reached through its parent; only backups read it directly.
DO $$
DECLARE
    runtime text := current_setting('muniment.runtime');
    found record;
BEGIN
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), runtime);
    EXECUTE format('REVOKE ALL ON SCHEMA public FROM PUBLIC, %I', runtime);
    EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', runtime);
    EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, %I', runtime);
    EXECUTE format('REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM PUBLIC, %I', runtime);
    EXECUTE format('REVOKE ALL ON ALL ROUTINES IN SCHEMA public FROM PUBLIC, %I', runtime);
    EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA public TO %I', runtime);
    EXECUTE format('GRANT SELECT, USAGE ON ALL SEQUENCES IN SCHEMA public TO %I', runtime);
    EXECUTE format('GRANT EXECUTE ON ALL ROUTINES IN SCHEMA public TO %I', runtime);
    EXECUTE format('ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO %I', runtime);
    FOR found IN
        SELECT relname, CASE
            WHEN relname IN ('audit', 'schema_migrations') THEN NULL
            WHEN relname IN ('messages', 'contents') THEN 'INSERT'           -- never changed, never deleted
            WHEN relname IN ('entries', 'deletions') THEN 'INSERT, UPDATE'   -- marked, never deleted
            ELSE 'INSERT, UPDATE, DELETE' END AS rights
        FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
    LOOP
        IF found.rights IS NOT NULL THEN
            EXECUTE format('GRANT %s ON public.%I TO %I', found.rights, found.relname, runtime);
        END IF;
    END LOOP;
END
$$;

-- grant_reader --
-- Let the group of readers, if there is one, see everything but sealed secrets
DO $$
DECLARE
    reader text := current_setting('muniment.reader');
    found record;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = reader) THEN
        RETURN;
    END IF;
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), reader);
    EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', reader);
    EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA public FROM %I', reader);
    FOR found IN
        SELECT relname, string_agg(quote_ident(attname), ', ' ORDER BY attnum) AS columns
        FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
          AND attnum > 0 AND NOT attisdropped AND attname !~ 'password|secret|key_check|token|sealed'
        GROUP BY relname
    LOOP
        EXECUTE format('GRANT SELECT (%s) ON public.%I TO %I', found.columns, found.relname, reader);
    END LOOP;
END
$$;
