"""The command line: one module per command group, imported on first use."""

from muniment.cli.program import main

__all__ = ["main"]
