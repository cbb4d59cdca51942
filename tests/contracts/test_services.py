"""The signature of every service that a front end or a process calls."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from inspect import isasyncgenfunction, iscoroutinefunction, signature
from pathlib import Path
from typing import Any

import pytest

_ROOT = Path(__file__).parents[2]
_CALLERS = ["muniment/cli", "muniment/demo", "muniment/exporter", "workers", "scheduler"]


def _services() -> Iterator[tuple[str, Any]]:
    """Yield every asynchronous function of `muniment.services` that is imported from outside."""
    found = {}
    for folder in _CALLERS:
        for file in (_ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("muniment.services"):
                    for alias in node.names:
                        function = getattr(import_module(node.module or ""), alias.name)
                        if iscoroutinefunction(function) or isasyncgenfunction(function):
                            found[f"{node.module}.{alias.name}"] = function
    yield from sorted(found.items())


SERVICES = dict(_services())


def test_services_are_found() -> None:
    """The list is not empty by mistake."""
    assert "muniment.services.runs.lifecycle.start_run" in SERVICES
    assert "muniment.services.archiving.run_slices.run_slices" in SERVICES


@pytest.mark.parametrize("name", SERVICES)
def test_the_principal_comes_first_then_the_resources(name: str) -> None:
    """A service takes who acts, then what it works with, then what it is about."""
    parameters = list(signature(SERVICES[name]).parameters.values())

    assert [(one.name, one.annotation) for one in parameters[:2]] == [
        ("principal", "Principal"),
        ("resources", "Resources"),
    ]
