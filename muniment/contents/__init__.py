"""Contents: how and where the bytes of messages are stored."""
