"""`muniment run`, and following a run from other commands."""
