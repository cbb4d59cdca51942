-- Messages whose attachments take long are indexed without them at once, and wait here as `slow` until the mail of all
-- others is done. Workers of the previous version take them like any other row.
ALTER TABLE index_outbox ADD COLUMN slow boolean NOT NULL DEFAULT false;
CREATE INDEX index_outbox_slow ON index_outbox (message_id, store_id) WHERE slow;
