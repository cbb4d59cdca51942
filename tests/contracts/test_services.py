"""The signature of every service that front ends and processes call, and its check of the caller's rights."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from inspect import getsource, isfunction, signature
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

_ROOT = Path(__file__).parents[2]
_CALLERS = ["muniment/cli", "muniment/demo", "muniment/exporter", "workers", "scheduler"]


def _services() -> Iterator[tuple[str, Any]]:
    """Yield every function of `muniment.services` that is imported from outside and works with resources.

    What takes no resources reaches neither the database nor a mail server: it computes.
    """
    found = {}
    for folder in _CALLERS:
        for file in (_ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("muniment.services"):
                    for alias in node.names:
                        function = getattr(import_module(node.module or ""), alias.name)
                        if isfunction(function) and "resources" in signature(function).parameters:
                            found[f"{node.module}.{alias.name}"] = function
    yield from sorted(found.items())


SERVICES = dict(_services())


def test_services_are_found() -> None:
    """The list of services is not empty."""
    assert "muniment.services.runs.lifecycle.start_run" in SERVICES
    assert "muniment.services.archiving.run_slices.run_slices" in SERVICES


@pytest.mark.parametrize("name", SERVICES)
def test_the_principal_comes_first_then_the_resources(name: str) -> None:
    """A service takes the principal first, then the resources, then its own arguments."""
    parameters = list(signature(SERVICES[name]).parameters.values())

    assert [(one.name, one.annotation) for one in parameters[:2]] == [
        ("principal", "Principal"),
        ("resources", "Resources"),
    ]


def _body(function: Any) -> list[ast.stmt]:
    """Return the statements of a function without its docstring."""
    [definition] = ast.parse(dedent(getsource(function))).body
    assert isinstance(definition, ast.FunctionDef | ast.AsyncFunctionDef)
    return definition.body[1:]


def _requires(statement: ast.stmt) -> bool:
    """Tell whether a statement is `principal.require(…)` or `principal.require_access_to(…)`."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Call)
        and ast.unparse(statement.value.func) in {"principal.require", "principal.require_access_to"}
    )


def _passes_on(statement: ast.stmt) -> bool:
    """Tell whether a statement calls something with the principal."""
    calls = (node for node in ast.walk(statement) if isinstance(node, ast.Call))
    return any(
        isinstance(argument, ast.Name) and argument.id == "principal" for call in calls for argument in call.args
    )


@pytest.mark.parametrize("name", SERVICES)
def test_the_rights_are_checked_first(name: str) -> None:
    """The first statement requires a right; or the service leaves that to another one, which gets the principal."""
    first, *others = _body(SERVICES[name])

    assert _requires(first) or any(_passes_on(statement) for statement in (first, *others))


def test_only_deletion_and_the_doctor_ask_for_an_eraser() -> None:
    """One room may change a mail server; the doctor asks what it could do. Everything else opens folders read-only."""
    asking = {
        file.relative_to(_ROOT / "muniment" / "services").parts[0]
        for file in (_ROOT / "muniment" / "services").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "eraser"
    }

    assert asking == {"deleting", "doctor"}
