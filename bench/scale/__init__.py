"""Behaviour at scale: many rows, many mailboxes, many connections. `python -m bench.scale --help`."""
