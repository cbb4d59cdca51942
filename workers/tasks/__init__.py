"""Tasks: adapters of a dozen lines that decode ids and call one service."""
