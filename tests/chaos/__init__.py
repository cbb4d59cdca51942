"""Chaos: real servers and processes, broken in every way that is known, while run after run archives a living source."""
