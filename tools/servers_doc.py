"""Writes docs/servers.md from what Muniment knows of kinds of mail servers: `python -m tools.servers_doc`."""

from __future__ import annotations

from pathlib import Path

from muniment.model.server_kind import SERVER_KINDS, ServerKind

PAGE = Path(__file__).resolve().parent.parent / "docs" / "servers.md"

_HEAD = """\
# Kinds of mail servers

*Generated from muniment/model/server_kind.py by `python -m tools.servers_doc`; a test compares.*

`muniment profile add … --server-kind KIND` says what a mail server is. It decides how a privileged user opens the
mailboxes of others: the first of these ways that the server offers is used, unless `--login` names another. A login
that the server refuses is never tried in another way: servers lock out who fails again and again.

*Looks first*: before anything is archived the privileged user's own mailbox is looked at, because such a server may open
that one when it does not understand the login; the run then fails instead of archiving it in everybody's archive.
`--no-master-mailbox` leaves it out.

| `--server-kind` | server | logins, in this order | mailboxes called by | looks first |
|---|---|---|---|---|
"""


def render() -> str:
    """Return the whole page."""
    rows = "\n".join(map(_row, SERVER_KINDS))
    sources = "\n".join(f"- **{kind.title}**: {kind.source}" for kind in SERVER_KINDS)
    return f"{_HEAD}{rows}\n\n## How sure this is\n\n{sources}\n"


def _row(kind: ServerKind) -> str:
    logins = ", ".join(f"`{method}`" for method in kind.logins)
    return f"| `{kind.name}` | {kind.title} | {logins} | {kind.identity} | {'yes' if kind.may_open_own else 'no'} |"


if __name__ == "__main__":
    PAGE.write_text(render(), "utf-8")
