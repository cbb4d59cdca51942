-- add --
INSERT INTO audit (who, action, subject, before, after) VALUES ($1, $2, $3, $4, $5);

-- latest --
SELECT id, at, who, action, subject, before, after FROM audit
WHERE $1::text IS NULL OR lower(subject) = lower($1) ORDER BY id DESC LIMIT $2;
