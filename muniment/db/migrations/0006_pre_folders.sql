-- Which folders a profile archives; empty: all, as before there was a choice.
ALTER TABLE profiles ADD COLUMN folders jsonb NOT NULL DEFAULT '{}';
