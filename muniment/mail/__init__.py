"""Parses mail: pure functions without I/O, which never raise on malformed mail."""
