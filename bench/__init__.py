"""The benchmark: the same mailboxes, archived by Muniment and by mbsync from the same server, in turn."""
