"""The JSON of every answer, the same for every front end; each docstring lists the keys."""
