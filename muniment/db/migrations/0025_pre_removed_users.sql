-- A removed user keeps the archive: only the addresses and the right to log in go.
ALTER TABLE users ADD COLUMN removed timestamptz;
