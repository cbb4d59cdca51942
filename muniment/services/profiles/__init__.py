"""Create, change, export and remove profiles."""
