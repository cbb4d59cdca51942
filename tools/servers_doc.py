"""Writes docs/reference/servers.md from the table of known mail servers: `python -m tools.servers_doc`."""

from __future__ import annotations

import textwrap
from pathlib import Path

from muniment.model.server_kind import SERVER_KINDS, ServerKind

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "servers.md"

_WIDTH = 120

_HEAD = """\
# Mail server kinds

*Generated from muniment/model/server_kind.py by `python -m tools.servers_doc`. A test compares this page with the
code.*

`muniment profile add … --server-kind KIND` says which product the mail server is. The kind decides how a privileged
user opens other users' mailboxes: Muniment uses the first login in the list that the server offers, unless `--login`
names one. If the server refuses a login, Muniment does not try another, because servers lock out clients that fail
repeatedly.

*Checks own mailbox*: before archiving, Muniment looks at the privileged user's own mailbox. Some servers open that
mailbox when they do not understand the login; the run then fails instead of filing that mail in every archive.
`--no-master-mailbox` skips this check.

| `--server-kind` | server | logins, in this order | mailboxes named by | checks own mailbox |
|---|---|---|---|---|
"""


def render() -> str:
    """Return the whole page."""
    rows = "\n".join(map(_row, SERVER_KINDS))
    sources = "\n".join(_source(kind) for kind in SERVER_KINDS)
    return f"{_HEAD}{rows}\n\n## Sources\n\n{sources}\n"


def _source(kind: ServerKind) -> str:
    text = f"- **{kind.title}**: {kind.source}"
    return textwrap.fill(text, _WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _row(kind: ServerKind) -> str:
    logins = ", ".join(f"`{method}`" for method in kind.logins)
    return f"| `{kind.name}` | {kind.title} | {logins} | {kind.identity} | {'yes' if kind.may_open_own else 'no'} |"


if __name__ == "__main__":
    PAGE.write_text(render(), "utf-8")
