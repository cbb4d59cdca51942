"""Keep the search index in step with the archive."""
