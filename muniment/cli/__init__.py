"""The command line: one module per noun, loaded when it is used."""

from muniment.cli.program import main

__all__ = ["main"]
