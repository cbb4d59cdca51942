"""Every error class stands in muniment/errors.py, whose docstring draws them all."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from muniment import errors

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / "muniment" / "errors.py"
MODULES = [path for package in ("muniment", "workers", "scheduler") for path in sorted((ROOT / package).rglob("*.py"))]
OURS = {
    name
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, BaseException) and value.__module__ == errors.__name__
}
KNOWN = OURS | {
    name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, BaseException)
}


def error_classes(source: str) -> Iterator[str]:
    """Yield the names of classes that derive from an exception, directly or by way of another class of the module."""
    known = set(KNOWN)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef) and any(is_error(base, known) for base in node.bases):
            known.add(node.name)
            yield node.name


def is_error(base: ast.expr, known: set[str]) -> bool:
    """Say whether a base class is an exception: one that is known, or a foreign one by the usual names."""
    name = ast.unparse(base).rpartition(".")[2]
    return name in known or name.endswith(("Error", "Exception", "Warning"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_errors_stand_in_one_module(path: Path) -> None:
    """No other module defines an error class."""
    assert path == HOME or list(error_classes(path.read_text())) == []


@pytest.mark.parametrize(
    "source",
    [
        "class A(Exception): ...",
        "class A(BaseException): ...",
        "class A(Transient): ...",
        "class A(errors.LeaseLost): ...",
        "class A(asyncpg.PostgresError): ...",
        "def f():\n    class A(ValueError): ...",
    ],
)
def test_error_classes_are_recognised(source: str) -> None:
    """Builtin, foreign and our own bases count, wherever the class stands."""
    assert list(error_classes(source)) == ["A"]


def test_error_classes_are_recognised_through_each_other() -> None:
    """A class below an error class of the same module is one; a plain class is none."""
    assert list(error_classes("class A(OSError): ...\nclass B(A): ...\nclass C(dict): ...")) == ["A", "B"]


def test_the_tree_in_the_docstring_is_complete() -> None:
    """The docstring of errors.py names every class of the module, and no other."""
    drawn = set(re.findall(r"^ +(?:[│ ]*[├└]── )?([A-Z]\w+)(?:  |$)", errors.__doc__ or "", re.MULTILINE))

    assert drawn == OURS - {"NotStarted"}
