"""Archive stores."""
