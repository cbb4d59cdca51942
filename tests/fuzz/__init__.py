"""Hostile servers: a fuzzer for the IMAP client and for the readers of mail."""
