"""The principals in tests."""

from __future__ import annotations

from muniment.services.access.principal import Principal

ADMIN = Principal.administrator("admin@test")
