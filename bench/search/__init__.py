"""How fast mail becomes searchable, and how fast searches answer."""
