"""Named SQL blocks.

A file `sql/NAME.sql` holds blocks headed `-- name --`; the lines of comment that follow
say what the block does. `load("NAME")` returns them by name. Only `muniment/db/NAME.py`
may run them.
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
    # The text ships with the package and no input ever becomes part of it: literal in every sense that matters.
    return cast("dict[str, LiteralString]", blocks)
