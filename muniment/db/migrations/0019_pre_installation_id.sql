-- Identifies the installation in every secret that is sealed for it (docs/decisions/0020). A backup keeps it.
ALTER TABLE installation ADD COLUMN id uuid NOT NULL DEFAULT gen_random_uuid();
