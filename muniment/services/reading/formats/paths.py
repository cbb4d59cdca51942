"""Convert folder names to file names and back, safely for every file system.

Percent-encoding covers characters that some file system forbids, names that Windows reserves, and characters that
could hide or forge a name. Letters of any script stay readable.

A file name with a `~` is not reversible: it was shortened, or renamed because another name differs only in case. The
manifest then holds the true folder. (A `~` in a folder's own name is encoded.)
"""

from __future__ import annotations

import hashlib
import os
import unicodedata
from pathlib import Path
from urllib.parse import unquote_to_bytes

from muniment.errors import Misconfigured
from muniment.services.reading.formats.files import writing

#: Longest encoded component in bytes; file systems allow 255, and suffixes need room.
COMPONENT_BYTES = 200
#: Longest encoded path below the export's directory in bytes; deeper folders get a short path instead.
PATH_BYTES = 1000

_UNSAFE = frozenset('/\\:*?"<>|%~')
_DEVICES = frozenset(
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$"]
    + [f"{port}{digit}" for port in ("COM", "LPT") for digit in "123456789\u00b9\u00b2\u00b3"]
)
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
_EMPTY = "%"  # unambiguous: a percent sign in a name becomes %25


def encode_component(name: str) -> str:
    """Return a folder or message name as a safe file name of at most `COMPONENT_BYTES` in UTF-8."""
    encoded = "".join(map(_encode_character, name)) or _EMPTY
    if encoded[0] == ".":
        encoded = "%2E" + encoded[1:]
    if encoded[-1] in ". ":
        encoded = encoded[:-1] + _percent(encoded[-1])
    if encoded.partition(".")[0].rstrip().upper() in _DEVICES:
        encoded = _percent(encoded[0]) + encoded[1:]
    return encoded if len(encoded.encode()) <= COMPONENT_BYTES else _shortened(encoded)


def decode_component(component: str) -> str:
    """Reverse `encode_component`; Misconfigured if the file name has a `~`."""
    if "~" in component:
        raise Misconfigured(
            f"the file name {component!r} does not hold the full name", hint="Look it up in manifest.json."
        )
    if component == _EMPTY:
        return ""
    return unquote_to_bytes(component.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")


def _encode_character(character: str) -> str:
    if "a" <= character <= "z" or "0" <= character <= "9" or "A" <= character <= "Z":
        return character
    unsafe = character in _UNSAFE or character in _BIDI or unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}
    return _percent(character) if unsafe else character


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))


def _shortened(encoded: str) -> str:
    digest = hashlib.sha256(encoded.encode()).hexdigest()[:16]
    head = encoded.replace("/", " ").encode()[: COMPONENT_BYTES - len(digest) - 1].decode("utf-8", "ignore")
    escape = head.find("%", len(head) - 2)
    return f"{head if escape < 0 else head[:escape]}~{digest}"


class Names:
    """Hands out paths below a directory; no file system takes two of them for the same."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._folders: dict[tuple[str, ...], Path] = {(): directory}
        self._taken: set[tuple[Path, str]] = set()

    def folder(self, folder: tuple[str, ...]) -> Path:
        """Return the directory of a mail folder; create it if it is new."""
        for depth in range(1, len(folder) + 1):
            prefix = folder[:depth]
            if prefix not in self._folders:
                path = self._place(self._folders[prefix[:-1]], prefix, "")
                with writing(path):
                    path.mkdir(mode=0o700)
                self._folders[prefix] = path
        return self._folders[folder]

    def file(self, folder: tuple[str, ...], name: str, suffix: str) -> Path:
        """Return a free path for a file `name` + `suffix` in the directory of a mail folder."""
        return self._free(self.folder(folder), encode_component(name), suffix)

    def folder_file(self, folder: tuple[str, ...], suffix: str) -> Path:
        """Return a free path for the file of a mail folder, next to its directory."""
        if not folder:
            return self._free(self._directory, _EMPTY, suffix)
        return self._place(self.folder(folder[:-1]), folder, suffix)

    def _place(self, parent: Path, folder: tuple[str, ...], suffix: str) -> Path:
        component = encode_component(folder[-1])
        if len(os.fsencode(parent.relative_to(self._directory) / component)) > PATH_BYTES:
            parent, component = self._directory, _shortened("/".join(map(encode_component, folder)))
        return self._free(parent, component, suffix)

    def _free(self, parent: Path, component: str, suffix: str) -> Path:
        stem, number = component, 1
        while not self._claim(parent, stem + suffix):
            number += 1
            stem = f"{component}~{number}"
        return parent / (stem + suffix)

    def _claim(self, parent: Path, name: str) -> bool:
        # File names that differ only in case or in Unicode composition (macOS) are the same.
        folded = unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())
        key = (parent, folded)
        # Running numbers are not remembered, there may be millions: the file system knows them.
        if key in self._taken or os.path.lexists(parent / name):
            return False
        if not name.removesuffix(".eml").isdecimal():
            self._taken.add(key)
        return True
