"""The speed of indexing and of searching."""
