"""operating."""
