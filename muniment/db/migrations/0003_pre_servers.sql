-- What an administrator allows the whole fleet to ask of a mail server; NULL: what the settings say.
CREATE TABLE server_limits (
    server              text PRIMARY KEY,
    connections         integer CHECK (connections > 0),
    commands_per_second double precision CHECK (commands_per_second > 0),
    bytes_per_second    double precision CHECK (bytes_per_second > 0)
);

-- Since when connections are counted in Redis: a Redis that knows of none has lost its memory, unless it is the first.
ALTER TABLE installation ADD COLUMN counting_since timestamptz;
