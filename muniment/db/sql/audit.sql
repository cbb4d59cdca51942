-- add --
-- Record who did what to which subject, with the state before and after
INSERT INTO audit (who, action, subject, before, after) VALUES ($1, $2, $3, $4, $5);

-- latest --
-- The newest entries first; $1: only those of one subject
SELECT id, at, who, action, subject, before, after FROM audit
WHERE $1::text IS NULL OR lower(subject) = lower($1) ORDER BY id DESC LIMIT $2;
