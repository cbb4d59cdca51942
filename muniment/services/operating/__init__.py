"""Operating an installation: status, health, backup, limits of mail servers, schema and key."""
