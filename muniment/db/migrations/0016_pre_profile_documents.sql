-- What an administrator says in a profile becomes one document, `muniment/model/profile.py` (docs/decisions/0018). A
-- column remains only for what SQL looks up or updates by itself: name, kind, password, due, schedule_error.
--
-- Processes of the version before read and write the old columns while they are replaced one after the other, so the
-- columns stay, and a trigger keeps them equal to the document. A `post` migration of a later version drops the columns,
-- the trigger and the function `profile_document`. Fields that come later exist in the document only.

ALTER TABLE profiles ADD COLUMN document jsonb, ADD COLUMN schema_version integer NOT NULL DEFAULT 1;

-- Makes the document, schema version 1, of the old columns. Empty `folders` are of a time before there was a choice of
-- folders, when everything was archived.
CREATE FUNCTION profile_document(profile profiles) RETURNS jsonb STABLE LANGUAGE sql RETURN jsonb_build_object(
    'max_jobs', (profile).max_jobs,
    'allow_same_mailbox', (profile).allow_same_mailbox,
    'no_master_mailbox', (profile).no_master_mailbox,
    'server', jsonb_build_object(
        'host', (profile).host,
        'port', (profile).port,
        'access', (profile).access,
        'accept_all_certificates', (profile).accept_all_certificates,
        'timeout_seconds', (profile).timeout_seconds,
        'kind', (profile).server_kind),
    'login', jsonb_strip_nulls(jsonb_build_object(
        'user', nullif((profile).login_user, ''),
        'method', nullif((profile).login, ''),
        'identity', CASE WHEN (profile).kind = 'master' THEN (profile).identity END)),
    'folders', CASE
        WHEN (profile).folders = '{}'
        THEN '{"include": [], "exclude": [], "always_exclude": [], "namespaces": ["other-users", "personal", "shared"],
               "sent": []}'
        ELSE jsonb '{"sent": []}' || (profile).folders END,
    'mailboxes', jsonb_strip_nulls(jsonb_build_object(
        'all', nullif((profile).all_mailboxes, false),
        'but_not', to_jsonb(nullif((profile).except_users, '{}')),
        'sync_directory', nullif((profile).sync_directory, false))),
    'filter', (profile).filter,
    'deletion', (profile).deletion,
    'schedule', (profile).schedule,
    'multidrop', (profile).multidrop);

UPDATE profiles SET document = profile_document(profiles);
ALTER TABLE profiles ALTER COLUMN document SET NOT NULL;

-- Keeps document and old columns equal, whichever of the two a statement writes.
CREATE FUNCTION sync_profile() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    writes_columns boolean := NEW.document IS NULL;
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.document = OLD.document THEN
        IF profile_document(NEW) = profile_document(OLD) THEN
            RETURN NEW;
        END IF;
        writes_columns := true;
    END IF;
    IF writes_columns THEN
        NEW.document := profile_document(NEW);
        RETURN NEW;
    END IF;
    RETURN jsonb_populate_record(NEW, jsonb_build_object(
        'host', NEW.document #> '{server,host}',
        'port', NEW.document #> '{server,port}',
        'access', NEW.document #> '{server,access}',
        'accept_all_certificates', NEW.document #> '{server,accept_all_certificates}',
        'timeout_seconds', NEW.document #> '{server,timeout_seconds}',
        'server_kind', NEW.document #> '{server,kind}',
        'login', coalesce(NEW.document #>> '{login,method}', ''),
        'login_user', coalesce(NEW.document #>> '{login,user}', ''),
        'identity', coalesce(NEW.document #>> '{login,identity}', 'address'),
        'all_mailboxes', coalesce(NEW.document #> '{mailboxes,all}', 'false'),
        'except_users', coalesce(NEW.document #> '{mailboxes,but_not}', '[]'),
        'sync_directory', coalesce(NEW.document #> '{mailboxes,sync_directory}', 'false'),
        'max_jobs', NEW.document -> 'max_jobs',
        'allow_same_mailbox', NEW.document -> 'allow_same_mailbox',
        'no_master_mailbox', NEW.document -> 'no_master_mailbox',
        'folders', NEW.document -> 'folders',
        'filter', NEW.document -> 'filter',
        'deletion', NEW.document -> 'deletion',
        'schedule', NEW.document -> 'schedule',
        'multidrop', NEW.document -> 'multidrop'));
END
$$;
CREATE TRIGGER sync_profile BEFORE INSERT OR UPDATE ON profiles FOR EACH ROW EXECUTE FUNCTION sync_profile();

-- As before, but from the document: tells whether a profile of all users leaves out the user with this id. Most profiles
-- leave out nobody: a query about many users looks at `but_not` first, because a call costs more than that.
CREATE OR REPLACE FUNCTION leaves_out(profile profiles, who bigint) RETURNS boolean STABLE LANGUAGE sql RETURN EXISTS (
    SELECT FROM users LEFT JOIN user_addresses ON user_id = users.id
    WHERE users.id = who
      AND ((profile).document #> '{mailboxes,but_not}' ? lower(name)
           OR (profile).document #> '{mailboxes,but_not}' ? lower(address)));

-- As before, but from the document: the primary addresses that profiles of all users archive.
CREATE OR REPLACE VIEW everybody AS
SELECT profiles.id AS profile_id, users.id AS user_id, users.name, address
FROM profiles CROSS JOIN users JOIN user_addresses ON user_id = users.id AND position = 0
WHERE (document #>> '{mailboxes,all}')::boolean
  AND (document #> '{mailboxes,but_not}' IS NULL OR NOT leaves_out(profiles, users.id));

-- As before, but from the document: tells whether some profile archives a mailbox.
CREATE OR REPLACE FUNCTION is_archived(mailbox mailboxes) RETURNS boolean STABLE LANGUAGE sql RETURN
    EXISTS (SELECT FROM profile_mailboxes WHERE mailbox_id = mailbox.id)
    OR (EXISTS (
        SELECT FROM profiles
        WHERE (document #>> '{mailboxes,all}')::boolean
          AND (document #> '{mailboxes,but_not}' IS NULL OR NOT leaves_out(profiles, mailbox.user_id)))
    AND EXISTS (
        SELECT FROM user_addresses
        WHERE user_id = mailbox.user_id AND position = 0 AND lower(address) = lower(mailbox.address)));
