"""Reading stored messages back: look up, export, verify."""
