"""Archiving: from a leased job to messages committed in the archive and folders proven complete."""
