-- A mailbox of a csv profile that is on another server than the others: `host` or `host:port`.
ALTER TABLE profile_mailboxes ADD COLUMN server text NOT NULL DEFAULT '';

-- Users are to be synchronised with a directory before a run.
ALTER TABLE profiles ADD COLUMN sync_directory boolean NOT NULL DEFAULT false;

-- What a user may do, and what he may do in his own archive; new users get the defaults.
ALTER TABLE users ADD COLUMN privileges text[] NOT NULL DEFAULT '{login}',
                  ADD COLUMN own_archive text[] NOT NULL DEFAULT '{read}';

-- The same view as before, and the mailbox's own server.
CREATE OR REPLACE VIEW leasable_jobs AS
SELECT jobs.id, jobs.state, jobs.run_id, runs.started AS run_started, runs.profile_id, jobs.mailbox_id,
       mailboxes.address, mailboxes.source, mailboxes.fingerprint,
       named.mailbox_id IS NOT NULL AS is_named, named.login_user, named.password,
       EXISTS (
           SELECT FROM jobs AS other JOIN runs AS theirs ON theirs.id = other.run_id
           WHERE other.mailbox_id = jobs.mailbox_id AND other.id <> jobs.id
             AND other.state IN ('waiting', 'sent', 'running')
             AND other.started IS NOT NULL AND other.attempt = 0 AND theirs.state = 'running') AS is_taken,
       users.name AS user_name, coalesce(named.server, '') AS own_server
FROM jobs JOIN runs ON runs.id = jobs.run_id AND runs.state = 'running'
          JOIN mailboxes ON mailboxes.id = jobs.mailbox_id
          JOIN users ON users.id = mailboxes.user_id
          LEFT JOIN profile_mailboxes AS named
            ON named.profile_id = runs.profile_id AND named.mailbox_id = jobs.mailbox_id;
