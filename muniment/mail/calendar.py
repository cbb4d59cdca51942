"""Reads calendars (RFC 5545, vCalendar 1.0) and contacts (RFC 6350, vCard 2.1) as people see them, without grammar.

The usual libraries refuse damaged input or expand recurrences; here, every line stands for itself, in linear time.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass

from muniment.mail.charsets import clean, decode
from muniment.mail.markup import html_to_text

_TYPES = {
    *("text/calendar", "application/ics", "text/x-vcalendar", "application/calendar", "text/ics"),
    *("text/vcard", "text/x-vcard", "text/directory", "application/vcard", "application/vnd.ms-outlook-vcard"),
}
_EXTENSIONS = (".ics", ".ical", ".ifb", ".vcs", ".vcf", ".vcard", ".icalendar")

_BEGIN = re.compile(r"^[ \t]*BEGIN[ \t]*:[ \t]*(?:V[A-Z]+|[A-Z]+)", re.IGNORECASE | re.MULTILINE)
_FOLD = re.compile(r"\r?\n[ \t]|\r(?!\n)[ \t]")
_FOLD_UNLESS_QUOTED = re.compile(r"(?<!=)\r?\n[ \t](?<!=\r\n[ \t])")
_NAME = re.compile(r"(?:[A-Za-z0-9-]{1,40}\.)?([A-Za-z][A-Za-z0-9-]{0,60})[ \t]*(?=[:;])")
_PARAMETER = re.compile(r';[ \t]*([A-Za-z0-9-]{1,60})(?:=((?:"[^"]*"?|[^":;]){0,2000}))?')
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_PARTS = re.compile(r"(?<!\\)[;,]")
_TIME = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)(?:T(\d\d):?(\d\d)(?::?(\d\d))?(Z|[+-]\d\d:?\d\d)?)?")
_ADDRESS = re.compile(r"(?:mailto|im|sip|tel|xmpp):", re.IGNORECASE)

_TEXTS = {
    *("SUMMARY", "LOCATION", "DESCRIPTION", "COMMENT", "CONTACT", "NAME", "X-WR-CALNAME", "X-WR-CALDESC"),
    *("FN", "NICKNAME", "TITLE", "ROLE", "NOTE", "LABEL", "X-LIC-LOCATION", "STYLED-DESCRIPTION", "TEL", "IMPP"),
    *("X-MS-OLK-FORCEINSPECTOROPEN-NOTE", "X-SKYPE", "X-MS-IMADDRESS", "X-ASSISTANT", "X-MANAGER", "X-SPOUSE"),
}
_LISTS = {"CATEGORIES", "RESOURCES", "N", "ORG", "ADR", "GENDER", "X-APPLE-STRUCTURED-LOCATION"}
_PEOPLE = {"ORGANIZER", "ATTENDEE", "EMAIL", "MEMBER", "RELATED"}
_LINKS = {"URL", "CONFERENCE", "X-GOOGLE-CONFERENCE", "X-MICROSOFT-SKYPETEAMSMEETINGURL", "SOURCE"}
_TIMES = {"DTSTART", "DTEND", "DUE", "COMPLETED", "RECURRENCE-ID", "EXDATE", "RDATE", "BDAY", "ANNIVERSARY", "FREEBUSY"}
_PAGES = {"X-ALT-DESC"}
_HIDDEN_COMPONENTS = {"VTIMEZONE", "STANDARD", "DAYLIGHT"}
_USUAL_REMINDERS = {"reminder", "this is an event reminder", "alarm"}


@dataclass(frozen=True)
class _Line:
    """A content line: an upper-case name, parameters by upper-case name, and the value, still escaped."""

    name: str
    parameters: dict[str, str]
    value: str


def is_calendar(type_: str, name: str) -> bool:
    """Whether a part is a calendar or a contact, by its MIME type (lower case) or its file name."""
    if type_ in _TYPES:
        return True
    return type_ in {"application/octet-stream", "text/plain", ""} and name.lower().endswith(_EXTENSIONS)


def calendar_text(text: str) -> str:
    """Return what people see of a calendar or of contacts: titles, places, names, addresses, texts and times.

    Text that is neither, or whose structure is not recognised, comes back as it is. Never raises.
    """
    if _BEGIN.search(text) is None:
        return text
    found: dict[str, None] = {}
    hidden = 0
    for line in _lines(text):
        if line.name in {"BEGIN", "END"} and line.value.strip().upper() in _HIDDEN_COMPONENTS:
            hidden = max(0, hidden + (1 if line.name == "BEGIN" else -1))
        elif not hidden and (seen := _seen(line).strip()):
            found[seen] = None
    return clean("\n".join(found))


def _lines(text: str) -> list[_Line]:
    """Return the content lines; a line that cannot be one continues the text before it, as in files folded wrongly."""
    lines: list[tuple[_Line, list[str]]] = []
    goes_on = False
    fold = _FOLD_UNLESS_QUOTED if "QUOTED-PRINTABLE" in text.upper() else _FOLD
    for raw in fold.sub("", text).splitlines():
        line = None if goes_on else _read(raw)
        if line is not None:
            lines.append((line, []))
        elif lines and raw.strip():
            lines[-1][1].append(raw if goes_on else f"\\n{raw}")
        goes_on = bool(lines) and raw.endswith("=") and _is_quoted(lines[-1][0])
    return [_Line(line.name, line.parameters, _joined(line, more)) if more else line for line, more in lines]


def _joined(line: _Line, more: list[str]) -> str:
    pieces = [line.value, *more]
    return "".join(piece.removesuffix("=") for piece in pieces) if _is_quoted(line) else "".join(pieces)


def _read(raw: str) -> _Line | None:
    raw = raw.strip("\ufeff \t")
    name = _NAME.match(raw)
    if name is None or (name[1].upper() != name[1] and name[1].upper() not in _KNOWN):
        return None
    parameters: dict[str, str] = {}
    position = name.end()
    while parameter := _PARAMETER.match(raw, position):
        if parameter[2] is None:  # vCard 2.1: ;HOME;QUOTED-PRINTABLE
            parameters.setdefault(parameter[1].upper(), "")
        else:
            parameters[parameter[1].upper()] = parameter[2].strip('" ')
        position = parameter.end()
    value = raw.find(":", position)
    return None if value < 0 else _Line(name[1].upper(), parameters, raw[value + 1 :])


def _is_quoted(line: _Line) -> bool:
    return line.parameters.get("ENCODING", "").upper() == "QUOTED-PRINTABLE" or "QUOTED-PRINTABLE" in line.parameters


def _seen(line: _Line) -> str:  # noqa: PLR0911 - a case for each kind
    """Return what people see of a line."""
    value = _value(line)
    if line.name in _TIMES:
        return _times(value, line.parameters.get("TZID", ""))
    if line.name in _PEOPLE:
        names = [line.parameters.get(name, "") for name in ("CN", "EMAIL", "SENT-BY", "X-FULL-NAME")]
        # RFC 6868 escapes quotes in parameters.
        people = [_ADDRESS.sub("", name).replace("^'", '"').replace("^n", " ") for name in (*names, value.strip())]
        return " ".join(dict.fromkeys(filter(None, people)))
    if line.name in _LINKS or (line.name == "ATTACH" and "://" in value[:20]):
        return " ".join((_unescaped(value), line.parameters.get("LABEL", ""), line.parameters.get("FILENAME", "")))
    if line.name in _PAGES:
        return html_to_text(_unescaped(value))
    if line.name in _LISTS:
        return " ".join(_unescaped(part).strip() for part in _PARTS.split(value) if part.strip())
    if line.name in _TEXTS:
        seen = _ADDRESS.sub("", _unescaped(value))
        if "html" in line.parameters.get("FMTTYPE", "").lower() or "<html" in seen[:200].lower():
            seen = html_to_text(seen)
        return "" if seen.strip().casefold() in _USUAL_REMINDERS else seen
    return ""


def _value(line: _Line) -> str:
    """Return the value, decoded if it is quoted-printable (vCalendar 1.0, vCard 2.1)."""
    if not _is_quoted(line):
        return line.value
    data = binascii.a2b_qp(line.value.encode("utf-8", "replace"))
    return decode(data, line.parameters.get("CHARSET", ""))[0]


def _unescaped(value: str) -> str:
    return _ESCAPED.sub(lambda found: "\n" if found[1] in "nN" else found[1], value)


def _times(value: str, zone: str) -> str:
    """Return the times of a list, and the begin and end of a period, in ISO form."""
    periods = [one.split("/", 2)[:2] for one in value.split(",")]
    return "\n".join(" ".join(filter(None, (_time(moment, zone) for moment in period))) for period in periods)


def _time(value: str, zone: str) -> str:
    """Return a time in ISO form, with the name of its time zone; a birthday without a year as it is, else nothing."""
    found = _TIME.match(value.strip())
    if found is None:
        return "" if any(character.isalpha() for character in value[:8]) else value
    year, month, day, hour, minute, _, offset = found.groups()
    shown = f"{year}-{month}-{day}"
    if hour:
        shown += f" {hour}:{minute} " + ("UTC" if offset == "Z" else offset or zone)
    return shown.rstrip()


_KNOWN = _TEXTS | _LISTS | _PEOPLE | _LINKS | _TIMES | _PAGES | {"BEGIN", "END", "ATTACH"}
