"""Reads the CSV file of a profile with many mailboxes, each with its own login.

Columns are identified by position; the wording of the header does not matter: 1 IMAP user, 2 IMAP password, 3 e-mail
address (empty: same as column 1), 4 Muniment user (empty: same as column 1). Further columns are ignored, except a
fifth one that the header calls `host` or `server`: the mail server, if it differs from the profile's. The delimiter is
the most frequent one of `;`, `,`, `|` and TAB in the header line. A value that begins with `"` or `'` ends with the
same quote and contains it doubled, so an unquoted O'Brien is a plain name. The standard library's reader supports only
one quote character.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from muniment.errors import BadRow, Misconfigured
from muniment.model.server_place import parse_place
from muniment.secrecy import Secret

_DELIMITERS = ";,|\t"
_QUOTES = "\"'"
_LINE_END = re.compile(r"\r\n|\r|\n")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_SEPARATOR_HINT = re.compile(r"sep=([;,|\t])", re.IGNORECASE)  # Excel's first line
_SERVER_COLUMNS = {"host", "server"}
_MAX_SHOWN = 20
_HINT = "The first line is a header; then one mailbox a line: IMAP user;password;e-mail address;Muniment user"


@dataclass(frozen=True)
class CsvMailbox:
    """One mailbox and its login; `line` is its line number in the file, from 1."""

    line: int
    login_user: str
    password: Secret
    address: str
    user: str
    server: str = ""  # `host` or `host:port`


def read_csv(data: bytes) -> list[CsvMailbox]:
    """Return the mailboxes in a CSV file in UTF-8 (with or without BOM) or UTF-16 with BOM.

    Misconfigured lists every bad row with its line number; no row is skipped silently.
    """
    lines = [(n, line) for n, line in enumerate(_LINE_END.split(_text(data)), start=1) if line.strip()]
    delimiter = None
    if lines and (sep := _SEPARATOR_HINT.fullmatch(lines[0][1].strip(" \"'"))):
        delimiter = sep[1]
        del lines[0]
    if not lines:
        raise Misconfigured("the CSV file is empty", hint=_HINT)
    (number, header), *rows = lines
    columns = _check_header(number, header, delimiter := delimiter or _sniff(header))
    mailboxes: list[CsvMailbox] = []
    problems: list[str] = []
    seen: dict[tuple[str, str], int] = {}
    for number, line in rows:
        try:
            mailbox = _mailbox(number, list(split(line, delimiter)), columns)
            _check_new(mailbox, seen)
            mailboxes.append(mailbox)
        except BadRow as problem:
            problems.append(f"line {number}: {problem}")
    if problems:
        raise Misconfigured(_report(problems), hint=_HINT)
    if not mailboxes:
        raise Misconfigured("the CSV file holds a header but no mailbox", hint=_HINT)
    return mailboxes


def split(line: str, delimiter: str) -> Iterator[str]:
    """Yield the values of a line; unquoted values are unchanged, including blanks.

    Raises BadRow if a quote is not closed or not followed by the delimiter.
    """
    position = 0
    while True:
        if line[position : position + 1] in tuple(_QUOTES):
            value, position = _quoted(line, position)
            if position < len(line) and line[position] != delimiter:
                raise BadRow("text after a closing quote; double a quote that belongs to the value")
        else:
            end = line.find(delimiter, position)
            end = len(line) if end < 0 else end
            value, position = line[position:end], end
        yield value
        if position >= len(line):
            return
        position += 1


def _quoted(line: str, start: int) -> tuple[str, int]:
    """Return the quoted value at `start` and the position after it and any blanks."""
    quote = line[start]
    pieces = []
    position = start + 1
    while (end := line.find(quote, position)) >= 0:
        pieces.append(line[position:end])
        if line[end + 1 : end + 2] != quote:
            behind = line[end + 1 :]
            return quote.join(pieces), len(line) - len(behind.lstrip(" "))
        position = end + 2
    raise BadRow("a quote is not closed; put a value that begins with a quote into quotes and double it there")


def _text(data: bytes) -> str:
    try:
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            return data.decode("utf-16")
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        # Guessing the code page would make wrong passwords and users that nobody notices.
        raise Misconfigured(
            f"the CSV file is not in UTF-8 (line {line})",
            hint="Save it as CSV UTF-8, or name its code page: --encoding windows-1252 (Western Europe), windows-1250 "
            "(Central Europe), windows-1251 (Cyrillic), …",
        ) from error


def _sniff(header: str) -> str:
    """Return the delimiter that occurs most often in the header, outside quotes."""
    outside = re.sub(r"\"[^\"]*\"|'[^']*'", "", header)
    best = max(_DELIMITERS, key=outside.count)
    if best not in outside:
        raise Misconfigured("the header line of the CSV file has no second column", hint=_HINT)
    return best


def _check_header(number: int, header: str, delimiter: str) -> list[str]:
    """Return the names of the columns; Misconfigured if the line looks like a mailbox."""
    try:
        columns = list(split(header, delimiter))
    except BadRow as problem:
        raise Misconfigured(f"line {number} (the header): {problem}", hint=_HINT) from problem
    # Without this check, a file without a header would silently lose its first mailbox.
    if "@" in columns[0] or any("@" in column for column in columns[2:4]):
        raise Misconfigured(f"line {number} should be a header but holds a mailbox", hint=_HINT)
    return columns


def _mailbox(number: int, values: list[str], columns: list[str]) -> CsvMailbox:
    width = len(columns)
    if len(values) > max(width, 4) and any(value.strip() for value in values[max(width, 4) :]):
        raise BadRow("more values than the header has columns; quote values that hold the delimiter")
    if len(values) < 2:
        raise BadRow("only one value, the password is missing")
    login_user, password, address, user = (*values, "", "")[:4]
    login_user, address, user = login_user.strip(), address.strip(), user.strip()
    if not login_user:
        raise BadRow("the IMAP user (column 1) is empty")
    if not password:
        raise BadRow("the password (column 2) is empty")
    for column, value in enumerate((login_user, password, address, user), start=1):
        if _CONTROL.search(value):
            raise BadRow(f"column {column} holds a control character")
    has_server = width > 4 and columns[4].strip().lower() in _SERVER_COLUMNS and len(values) > 4
    server = values[4].strip() if has_server else ""
    if server:
        _check_place(server)
    return CsvMailbox(number, login_user, Secret(password), address or login_user, user or login_user, server)


def _check_place(server: str) -> None:
    try:
        parse_place(server)
    except Misconfigured as error:
        raise BadRow(f"the mail server (column 5): {error}") from error


def _check_new(mailbox: CsvMailbox, seen: dict[tuple[str, str], int]) -> None:
    first = seen.setdefault((mailbox.address.casefold(), mailbox.user.casefold()), mailbox.line)
    if first != mailbox.line:
        raise BadRow(f"mailbox {mailbox.address} of user {mailbox.user} stands in line {first} already")


def _report(problems: list[str]) -> str:
    shown = problems[:_MAX_SHOWN]
    if len(problems) > _MAX_SHOWN:
        shown.append(f"and {len(problems) - _MAX_SHOWN} more")
    rows = "a bad row" if len(problems) == 1 else f"{len(problems)} bad rows"
    return "\n".join([f"the CSV file has {rows}:", *shown])
