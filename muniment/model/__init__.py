"""The words of the product as frozen values; no I/O here."""
