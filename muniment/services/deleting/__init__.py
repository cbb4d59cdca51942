"""Deleting archived messages on the mail server: the only room that changes anything there."""
