"""Runs: start, show and cancel them, and keep their jobs moving."""
