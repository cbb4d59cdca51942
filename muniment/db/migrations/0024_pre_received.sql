-- When a mail server received a message first, for `received:`; unknown for documents of earlier versions.
ALTER TABLE search_documents ADD COLUMN received timestamptz;
