-- find --
-- The texts of attachments that this version of the readers has extracted before
SELECT sha256, type, text, problem FROM attachment_texts WHERE sha256 = ANY ($1::bytea[]) AND reader = $2;

-- keep --
-- Keep the texts of attachments, so that none is extracted twice
INSERT INTO attachment_texts (sha256, reader, type, text, problem)
SELECT sha256, $2, type, text, problem FROM unnest($1::bytea[], $3::text[], $4::text[], $5::text[])
  AS given (sha256, type, text, problem) ORDER BY sha256
ON CONFLICT (sha256) DO UPDATE SET reader = excluded.reader, type = excluded.type, text = excluded.text,
    problem = excluded.problem, read = now();
