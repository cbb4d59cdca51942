"""Every named query: it prepares, somebody uses it, and its columns are the fields of what it is read into."""

from __future__ import annotations

import ast
import importlib
import inspect
import types
from collections.abc import AsyncIterator
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from importlib.resources import files
from types import ModuleType
from typing import Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import asyncpg
import pytest

from muniment.db.sql import load

NAMES = sorted(file.name[:-4] for file in files("muniment.db.sql").iterdir() if file.name.endswith(".sql"))

#: PostgreSQL's types and ours.
TYPES: dict[str, type] = {
    "int2": int,
    "int4": int,
    "int8": int,
    "float8": float,
    "bool": bool,
    "text": str,
    "bytea": bytes,
    "timestamptz": datetime,
    "uuid": UUID,
    "jsonb": dict,
    "text[]": list,
    "int8[]": list,
    "void": type(None),
}


@dataclass(frozen=True)
class Use:
    """A call that runs a named query."""

    method: str
    query: str
    kind: str | None  # the dataclass that rows are read into
    arguments: int | None  # None: some come out of a sequence


def uses(module: ModuleType) -> list[Use]:
    """Return every `session.METHOD(…, _SQL["query"], …)` of a module."""
    found = []
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        at = next((n for n, argument in enumerate(node.args) if _queries(argument)), None)
        if at is not None:
            kind = node.args[0].id if at == 1 and isinstance(node.args[0], ast.Name) else None
            given = node.args[at + 1 :]
            starred = any(isinstance(argument, ast.Starred) for argument in given)
            count = None if starred else len(given)
            found += [Use(node.func.attr, query, kind, count) for query in _queries(node.args[at])]
    return found


def _queries(node: ast.expr) -> list[str]:
    if isinstance(node, ast.IfExp):
        return _queries(node.body) + _queries(node.orelse)
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "_SQL":
        assert isinstance(node.slice, ast.Constant)
        return [str(node.slice.value)]
    return []


def module_of(name: str) -> ModuleType:
    """Return the one module that may run the queries of a file."""
    return importlib.import_module(f"muniment.db.{name}")


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """Connect to a migrated database."""
    opened = await asyncpg.connect(database_url)
    yield opened
    await opened.close()


@pytest.mark.parametrize("name", NAMES)
async def test_every_query_fits_its_module(connection: asyncpg.Connection[asyncpg.Record], name: str) -> None:
    """Each query prepares, takes as many arguments as it is given, and returns exactly the fields of its dataclass."""
    queries, module = load(name), module_of(name)
    used = uses(module)

    assert set(queries) == {use.query for use in used}
    for use in used:
        prepared = await connection.prepare(queries[use.query])
        columns = {a.name: TYPES[a.type.name] for a in prepared.get_attributes()}
        if use.arguments is not None:
            assert len(prepared.get_parameters()) == use.arguments, use
        if use.method in {"rows", "row", "stream"}:
            assert use.kind is not None, use
            assert declared(getattr(module, use.kind)) == columns, use
        elif use.method in {"value", "values"}:
            assert columns, use  # the first is what is returned
        else:
            assert use.method == "execute", use


def declared(kind: type) -> dict[str, type]:
    """Return the fields of a dataclass with their bare types: no None, no element types.

    A field whose metadata says `joined` comes from another query.
    """
    assert is_dataclass(kind)
    hints = get_type_hints(kind)
    return {field.name: _bare(hints[field.name]) for field in fields(kind) if not field.metadata.get("joined")}


def _bare(hint: Any) -> type:
    if get_origin(hint) in {Union, types.UnionType}:
        [hint] = [each for each in get_args(hint) if each is not type(None)]
    bare: type = get_origin(hint) or hint
    return bare


@pytest.mark.parametrize("name", NAMES)
def test_only_its_module_loads_a_file(name: str) -> None:
    """A file of queries has one typed caller, which bears its name."""
    folder = files("muniment.db")
    loading = [
        file.name
        for file in folder.iterdir()
        if file.name.endswith(".py") and f'load("{name}")' in file.read_text("utf-8")
    ]

    assert [f"{name}.py"] == loading
