"""Formats of exported mail: an EML tree or mbox files, each with a manifest."""
