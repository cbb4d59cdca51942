"""Options of the command line that set fields of a profile: each option stands beside the name of its field."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import click
import msgspec

from muniment.errors import Misconfigured
from muniment.model.profile import ProfileDocument
from muniment.services.profiles.profile_document import from_builtins

_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True)
class FieldOption:
    """An option and the field that it sets, written as in `profile edit --set`.

    `value` makes what the document holds of what click read.
    """

    field: str
    names: tuple[str, ...]
    attributes: Mapping[str, Any]
    value: Callable[[Any], object]

    @property
    def parameter(self) -> str:
        """The name under which click passes the option."""
        name = click.Option(self.names, **self.attributes).name
        assert name is not None  # click derives it from the names
        return name


def sets(field: str, *names: str, value: Callable[[Any], object] | None = None, **attributes: Any) -> FieldOption:
    """Return an option for a field; with `show_default` its default is the field's."""
    default = default_of(field)  # fails for an unknown field
    if attributes.get("show_default"):
        attributes["default"] = default
    return FieldOption(field, names, attributes, value or (lambda typed: typed))


def default_of(field: str) -> object:
    """Return the default of a field as a JSON value; None when it has none."""
    kind: Any = ProfileDocument
    found: Any = None
    for name in field.split("."):
        found = {each.name: each for each in msgspec.structs.fields(kind)}[name]
        kind = found.type
    return None if found.default is msgspec.NODEFAULT else msgspec.to_builtins(found.default)


def field_options(options: Iterable[FieldOption]) -> Callable[[_F], _F]:
    """Return a decorator that adds the options to a command."""

    def add(command: _F) -> _F:
        for option in reversed(list(options)):
            command = click.option(*option.names, **option.attributes)(command)
        return command

    return add


def document_from(
    options: Iterable[FieldOption], given: Mapping[str, Any], values: Mapping[str, Any]
) -> ProfileDocument:
    """Return the profile that `values` and the options make; an option that is not given leaves its field alone.

    UsageError when a value has no meaning; Misconfigured when a file cannot be read.
    """
    tables: dict[str, Any] = {name: dict(v) if isinstance(v, Mapping) else v for name, v in values.items()}
    for option in options:
        typed = given[option.parameter]
        if typed is None or typed is False or typed == ():
            continue
        *parents, name = option.field.split(".")
        table = tables
        for parent in parents:
            table = table.setdefault(parent, {})
        table[name] = option.value(typed)
    try:
        return from_builtins(tables)
    except Misconfigured as error:
        raise click.UsageError(f"{error}. {error.hint or ''}".strip()) from error
