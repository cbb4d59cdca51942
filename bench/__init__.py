"""The benchmark: Muniment and mbsync take turns archiving the same mailboxes from the same server."""
