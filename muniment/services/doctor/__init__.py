"""The connection doctor: tries logins and mailboxes, and explains what it finds, without archiving."""
