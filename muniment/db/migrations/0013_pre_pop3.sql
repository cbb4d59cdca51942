-- POP3: numbers of ours for the unique ids (UIDL) of a mailbox.
CREATE TABLE pop3_uidls (
    mailbox_id bigint NOT NULL REFERENCES mailboxes,
    uidl       text NOT NULL,
    uid        bigint NOT NULL,
    PRIMARY KEY (mailbox_id, uidl),
    UNIQUE (mailbox_id, uid)
);
ALTER TABLE profiles
    DROP CONSTRAINT profiles_access_check,
    ADD CONSTRAINT profiles_access_check CHECK (access IN ('imap', 'imap-tls', 'imap-ssl', 'pop3', 'pop3-tls', 'pop3-ssl'));
