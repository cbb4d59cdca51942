"""deleting."""
