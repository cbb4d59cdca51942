"""Chaos: real servers and processes, broken in every known way while run after run archives a changing source."""
