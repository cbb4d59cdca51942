"""Whose folders are where: the prefixes that a server tells (RFC 2342)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from muniment.imap.mutf7 import split_path
from muniment.imap.tokens import Value
from muniment.model.folder_scope import Namespace

#: In the order of the response.
_ORDER = (Namespace.PERSONAL, Namespace.OTHER_USERS, Namespace.SHARED)


@dataclass(frozen=True)
class Prefix:
    """What the names of a namespace's folders begin with."""

    name: bytes
    delimiter: bytes | None
    namespace: Namespace

    @property
    def path(self) -> tuple[str, ...]:
        """The same as a path; empty for the namespace at the top."""
        return split_path(self.name, self.delimiter) if self.name else ()

    def holds(self, wire_name: bytes) -> bool:
        """Tell whether a folder is in it, or is the folder that it hangs from."""
        return wire_name.startswith(self.name) or (
            self.delimiter is not None and wire_name + self.delimiter == self.name
        )


def parse_namespaces(values: Sequence[Value]) -> list[Prefix]:
    """Read `* NAMESPACE personal other-users shared`; what has another form is left out."""
    return [
        Prefix(name, delimiter, namespace)
        for namespace, group in zip(_ORDER, values[2:], strict=False)
        if isinstance(group, list)
        for entry in group
        if isinstance(entry, list)
        for name, delimiter in [_name_and_delimiter(entry)]
        if name is not None
    ]


def _name_and_delimiter(entry: Sequence[Value]) -> tuple[bytes | None, bytes | None]:
    match entry:
        case [bytes() as name, bytes() | None as delimiter, *_]:
            return name, delimiter
    return None, None


def prefix_of(wire_name: bytes, prefixes: Sequence[Prefix]) -> Prefix | None:
    """Return the longest prefix that holds a folder; None: the server told none."""
    return max((p for p in prefixes if p.holds(wire_name)), key=lambda p: len(p.name), default=None)
