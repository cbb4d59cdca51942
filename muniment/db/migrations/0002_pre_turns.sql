-- A worker that ends a mailbox goes on with the next of the run (docs/decisions/0009).

-- What the server opened for the mailbox the last time that a job of it ended well: when nothing moved there since,
-- it is not looked at again.
ALTER TABLE mailboxes ADD COLUMN fingerprint bytea;

-- Jobs of running runs with all that a worker needs to know of them. `is_taken`: another run has begun with the
-- mailbox, and is not in trouble there.
CREATE VIEW leasable_jobs AS
SELECT jobs.id, jobs.state, jobs.run_id, runs.started AS run_started, runs.profile_id, jobs.mailbox_id,
       mailboxes.address, mailboxes.source, mailboxes.fingerprint,
       named.mailbox_id IS NOT NULL AS is_named, named.login_user, named.password,
       EXISTS (
           SELECT FROM jobs AS other JOIN runs AS theirs ON theirs.id = other.run_id
           WHERE other.mailbox_id = jobs.mailbox_id AND other.id <> jobs.id
             AND other.state IN ('waiting', 'sent', 'running')
             AND other.started IS NOT NULL AND other.attempt = 0 AND theirs.state = 'running') AS is_taken
FROM jobs JOIN runs ON runs.id = jobs.run_id AND runs.state = 'running'
          JOIN mailboxes ON mailboxes.id = jobs.mailbox_id
          LEFT JOIN profile_mailboxes AS named
            ON named.profile_id = runs.profile_id AND named.mailbox_id = jobs.mailbox_id;
