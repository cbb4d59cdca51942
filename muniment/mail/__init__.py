"""Bytes of mail to model, pure: no I/O, and nothing in here ever raises on bad mail."""
