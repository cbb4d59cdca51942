"""Reaching a mailbox: credentials, sessions, the check that it is the right one, its folders and filters."""
