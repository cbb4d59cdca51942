"""Named SQL blocks.

A file `sql/NAME.sql` consists of blocks with the heading `-- name --`, followed by comment lines that describe the
block. `load("NAME")` returns the blocks by name. Only `muniment/db/NAME.py` may use them.
"""

from __future__ import annotations

import re
from importlib.resources import files
from typing import LiteralString, cast

_HEADER = re.compile(r"^-- ([a-z_]+) --$", re.MULTILINE)


def load(name: str) -> dict[str, LiteralString]:
    """Return the blocks of `sql/{name}.sql`."""
    text = files(__name__).joinpath(f"{name}.sql").read_text("utf-8")
    _, *parts = _HEADER.split(text)
    blocks = dict(zip(parts[::2], parts[1::2], strict=True))
    # The text is part of the package and never contains input, so it is as safe as a literal.
    return cast("dict[str, LiteralString]", blocks)
