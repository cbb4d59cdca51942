-- What kind of server a profile's is, what a privileged login calls a mailbox there, and an empty login: the first of
-- that kind which the server offers.
ALTER TABLE profiles ADD COLUMN server_kind text NOT NULL DEFAULT 'generic',
                     ADD COLUMN identity text NOT NULL DEFAULT 'address';

-- The same view as before, and the name of the user.
CREATE OR REPLACE VIEW leasable_jobs AS
SELECT jobs.id, jobs.state, jobs.run_id, runs.started AS run_started, runs.profile_id, jobs.mailbox_id,
       mailboxes.address, mailboxes.source, mailboxes.fingerprint,
       named.mailbox_id IS NOT NULL AS is_named, named.login_user, named.password,
       EXISTS (
           SELECT FROM jobs AS other JOIN runs AS theirs ON theirs.id = other.run_id
           WHERE other.mailbox_id = jobs.mailbox_id AND other.id <> jobs.id
             AND other.state IN ('waiting', 'sent', 'running')
             AND other.started IS NOT NULL AND other.attempt = 0 AND theirs.state = 'running') AS is_taken,
       users.name AS user_name
FROM jobs JOIN runs ON runs.id = jobs.run_id AND runs.state = 'running'
          JOIN mailboxes ON mailboxes.id = jobs.mailbox_id
          JOIN users ON users.id = mailboxes.user_id
          LEFT JOIN profile_mailboxes AS named
            ON named.profile_id = runs.profile_id AND named.mailbox_id = jobs.mailbox_id;
