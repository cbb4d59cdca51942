"""Hostile servers: a fuzzer for the IMAP door and for the readers of mail; see docs/hostile-servers.md."""
