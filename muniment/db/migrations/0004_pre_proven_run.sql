-- Which run a folder's last proof belongs to. Its time does not tell: after a fail-over, or when somebody puts the
-- database's clock back, the proof of the run before may lie after the beginning of this one.
ALTER TABLE folders ADD COLUMN proven_run bigint;
