-- add --
-- Record who did what to which subject; the function sets the time and the role
SELECT record_act($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);

-- can_add --
-- Whether the schema is recent enough to record anything
SELECT to_regproc('public.record_act') IS NOT NULL;

-- latest --
-- The newest entries first; $1: only those of one subject
SELECT id, at, who, action, subject, before, after, outcome, details, os_uid, os_name, login_uid, claimed, role,
       host(client) AS client
FROM audit WHERE $1::text IS NULL OR lower(subject) = lower($1) ORDER BY id DESC LIMIT $2;
