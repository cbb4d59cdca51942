"""Search the archive."""
