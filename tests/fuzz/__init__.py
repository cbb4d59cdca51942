"""Hostile servers: a fuzzer for the IMAP client and for the parsers of mail."""
