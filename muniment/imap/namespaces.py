"""Namespaces: the prefixes of personal, other users' and shared folders (RFC 2342)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from muniment.imap.mutf7 import split_path
from muniment.imap.tokens import Value
from muniment.model.folder_scope import Namespace

#: The order of the groups in the response.
_ORDER = (Namespace.PERSONAL, Namespace.OTHER_USERS, Namespace.SHARED)


@dataclass(frozen=True)
class Prefix:
    """The prefix of the folder names in a namespace."""

    name: bytes
    delimiter: bytes | None
    namespace: Namespace

    @property
    def path(self) -> tuple[str, ...]:
        """The prefix as a path; empty for the top-level namespace."""
        return split_path(self.name, self.delimiter) if self.name else ()

    def holds(self, wire_name: bytes) -> bool:
        """Return whether a folder is in the namespace or is its root folder."""
        return wire_name.startswith(self.name) or (
            self.delimiter is not None and wire_name + self.delimiter == self.name
        )


def parse_namespaces(values: Sequence[Value]) -> list[Prefix]:
    """Parse `* NAMESPACE personal other-users shared`; malformed entries are ignored."""
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
    """Return the longest prefix that holds a folder; None if there is none."""
    return max((p for p in prefixes if p.holds(wire_name)), key=lambda p: len(p.name), default=None)
