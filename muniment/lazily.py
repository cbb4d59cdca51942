"""Imports what a package exports on first use.

A command must not wait for Celery, redis-py and opensearch-py only because the package that wraps them also exports a
port (PEP 562).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazily(package: str, exports: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package; `exports` names the module of each exported name."""

    def get(name: str) -> Any:
        if name not in exports:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{exports[name]}"), name)

    return get
