"""Users, and where they come from."""
