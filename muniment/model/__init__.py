"""The product's domain model: frozen values, without I/O."""
