"""Muniment, the library: knows mail, storage and search, not how work is scheduled."""

__version__ = "0.1.0"
