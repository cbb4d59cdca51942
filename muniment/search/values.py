"""Values of fields that are not text: dates, sizes, flags, types, folders, Message-IDs."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo

from muniment.errors import BadTerm
from muniment.search.dates import Span, read_spans
from muniment.search.query import (
    Any,
    Dated,
    Flag,
    Flagged,
    HasAttachment,
    InArchive,
    InFolder,
    MessageId,
    Not,
    OfType,
    Query,
    Received,
    Sized,
)
from muniment.search.terms import joined
from muniment.search.words import fold

#: What every message is: in:anywhere, kind:email.
EVERYTHING = Sized(-1, None)

_DATES_HINT = "Dates: 2024, 2024-03, 2024-03-17, 17.03.2024, yesterday, last-month, 30d."
_SIZE = re.compile(r"(\d{1,12}(?:[.,]\d{1,6})?)\s?([kmg]?)(?:i?b|bytes?)?", re.IGNORECASE)
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_COMPARED = re.compile(r"(>=|<=|>|<|=)?(.*)")
_IS = {
    "flagged": Flag.FLAGGED,
    "starred": Flag.FLAGGED,
    "read": Flag.READ,
    "seen": Flag.READ,
    "answered": Flag.ANSWERED,
    "replied": Flag.ANSWERED,
    "draft": Flag.DRAFT,
}
_IS_SHOWN = "flagged, answered, read, draft, unread, unflagged, unanswered"
_YES = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
_MAIL = frozenset("email emails mail mails message messages".split())
#: Types of attachments (`muniment.attachments.Kind`), with other names for them.
TYPES = {
    "pdf": "",
    "word": "doc docx docm odt document documents docs",
    "spreadsheet": "xls xlsx xlsm ods excel sheet spreadsheets",
    "presentation": "ppt pptx odp powerpoint slides presentations",
    "rtf": "",
    "html": "htm",
    "text": "txt csv",
    "message": "eml email",
    "archive": "zip gz tar",
    "tnef": "winmail",
    "smime": "p7m",
    "image": "jpg jpeg png gif tiff images picture pictures photo photos",
    "audio": "mp3 wav sound",
    "video": "mp4 mov avi videos movie",
}
_TYPE_OF = {other: name for name, others in TYPES.items() for other in (name, *others.split())}
_ANYWHERE = frozenset("anywhere all any *".split())
#: What Gmail calls a folder, and what servers call it, folded.
_FOLDERS = {
    "sent": "sent,sent items,sent messages,sent mail,sent-mail,gesendet,gesendete elemente,gesendete objekte,"
    "elements envoyes,envoyes,enviados,elementos enviados,posta inviata,inviata,verzonden items,verzonden",
    "drafts": "drafts,draft,entwurfe,brouillons,borradores,bozze,concepten,rascunhos",
    "trash": "trash,deleted items,deleted messages,bin,papierkorb,geloschte elemente,corbeille,elements supprimes,"
    "papelera,elementos eliminados,cestino,posta eliminata,verwijderde items,prullenbak,lixeira",
    "spam": "spam,junk,junk e-mail,junk email,bulk mail,spamverdacht,junk-e-mail,courrier indesirable,"
    "correo no deseado,posta indesiderata,ongewenste e-mail",
}


@dataclass(frozen=True)
class Clock:
    """When a query is asked, in which time zone, and what to tell its author."""

    now: datetime
    zone: tzinfo
    notes: list[str]


def _spans(text: str, clock: Clock) -> list[Span]:
    spans = read_spans(text, clock.now, clock.zone)
    if not spans:
        raise BadTerm(f"{text} is not a date", hint=_DATES_HINT)
    if len(spans) > 1:
        days = " or ".join(span.first.strftime("%Y-%m-%d") for span in spans)
        clock.notes.append(f"{text} may be {days}: the search includes both; write one of them instead")
    return spans


def _before(text: str, clock: Clock) -> Query:
    return Dated(None, _spans(text.lstrip("<>="), clock)[-1].first)


def _after(text: str, clock: Clock) -> Query:
    return Dated(_spans(text.lstrip("<>="), clock)[0].first, None)


def _until(text: str, clock: Clock) -> Query:
    return Dated(None, _spans(text, clock)[-1].end)


def _on(text: str, clock: Clock) -> Query:
    return _when(text, clock, Dated)


def _received(text: str, clock: Clock) -> Query:
    return _when(text, clock, Received)


def _when(text: str, clock: Clock, kind: type[Dated | Received]) -> Query:
    """Return the query for a date, two dates with `..` between them, or a comparison such as `>=2024-03`."""
    first, dots, last = text.partition("..")
    if dots:
        begin = _spans(first, clock)[0].first if first.strip("*") else None
        return kind(begin, _spans(last.lstrip("."), clock)[-1].end if last.strip("*.") else None)
    sign, day = _compared(text)
    spans = _spans(day, clock)
    if sign in {">", ">="}:
        return kind(spans[0].end if sign == ">" else spans[0].first, None)
    if sign in {"<", "<="}:
        return kind(None, spans[-1].first if sign == "<" else spans[-1].end)
    if spans[0].first == spans[0].end:
        raise BadTerm(f"{day} is a moment, not a day", hint=f"after:{day} finds what is newer.")
    return joined(Any, [kind(span.first, span.end) for span in spans])


def _compared(text: str) -> tuple[str, str]:
    match = _COMPARED.fullmatch(text)
    return (match[1] or "", match[2].strip()) if match else ("", text)


def _larger(text: str, _clock: Clock) -> Query:
    return Sized(_bytes(text.lstrip(">=")), None)


def _smaller(text: str, _clock: Clock) -> Query:
    return Sized(None, _bytes(text.lstrip("<=")))


def _size(text: str, _clock: Clock) -> Query:
    """Return the query for `10M` (larger, as in Gmail), `>10M`, `<=10M` or `1M..5M`, as in Outlook."""
    first, dots, last = text.partition("..")
    if dots:
        return Sized(_bytes(first) - 1, _bytes(last) + 1)
    sign, number = _compared(text)
    if sign in {"<", "<="}:
        return Sized(None, _bytes(number) + (sign == "<="))
    return Sized(_bytes(number) - (sign == ">="), None)


def _bytes(text: str) -> int:
    match = _SIZE.fullmatch(text)
    if match is None:
        raise BadTerm(f"{text} is not a size", hint="Sizes: 2000 (bytes), 100k, 5M, 1.5G.")
    return int(float(match[1].replace(",", ".")) * _UNITS[match[2].lower()])


def _has(text: str, _clock: Clock) -> Query:
    name = text.lower()
    if name in {"attachment", "attachments", "file", "files"}:
        return HasAttachment()
    if name in _TYPE_OF:
        return OfType(_TYPE_OF[name])
    raise BadTerm(f"has:{text} is unknown", hint="Use has:attachment, or type:pdf for a type of attachment.")


def _is(text: str, _clock: Clock) -> Query:
    name = text.lower()
    if name in _IS:
        return Flagged(_IS[name])
    if name.startswith("un") and name[2:] in _IS:
        return Not(Flagged(_IS[name[2:]]))
    raise BadTerm(f"is:{text} is unknown", hint=f"Use one of {_IS_SHOWN}.")


def _yes(query: Query, name: str) -> Callable[[str, Clock], Query]:
    def read(text: str, _clock: Clock) -> Query:
        if text.lower() not in _YES:
            raise BadTerm(f"{text} is neither yes nor no", hint=f"Use {name}:yes or {name}:no.")
        return query if _YES[text.lower()] else Not(query)

    return read


def _type(text: str, _clock: Clock) -> Query:
    name = fold(text).lstrip(".*")
    if name not in _TYPE_OF:
        raise BadTerm(
            f"type:{text} is unknown",
            hint=f"Types: {', '.join(TYPES)}. For the end of a file's name: filename:*.{name}",
        )
    return OfType(_TYPE_OF[name])


def _kind(text: str, clock: Clock) -> Query:
    if text.lower() in _MAIL:
        return EVERYTHING
    if fold(text) in _TYPE_OF:
        return _type(text, clock)
    raise BadTerm(f"kind:{text} is unknown", hint="Everything in the archive is kind:email.")


def _message_id(text: str, _clock: Clock) -> Query:
    return MessageId(text.strip("<>"))


def _folder(text: str, _clock: Clock) -> Query:
    if text.lower() in _ANYWHERE:
        return EVERYTHING
    names = tuple(fold(name.strip()) for name in text.strip("/").split("/"))
    if not all(names):
        raise BadTerm("a folder's name is missing", hint="Separate folder names with slashes: folder:inbox/projects.")
    if len(names) == 1 and names[0] in _FOLDERS:
        return Any(tuple(InFolder((name,)) for name in _FOLDERS[names[0]].split(",")))
    return InFolder(names)


def _archive(text: str, _clock: Clock) -> Query:
    return InArchive(text)


#: For each name in `field_names.VALUES`, what reads the value; `BadTerm` if it is none.
READERS: dict[str, Callable[[str, Clock], Query]] = {
    "before": _before,
    "after": _after,
    "on": _on,
    "until": _until,
    "received": _received,
    "larger": _larger,
    "smaller": _smaller,
    "size": _size,
    "has": _has,
    "is": _is,
    "type": _type,
    "kind": _kind,
    "messageid": _message_id,
    "folder": _folder,
    "archive": _archive,
    "hasattachment": _yes(HasAttachment(), "hasattachment"),
    "isread": _yes(Flagged(Flag.READ), "isread"),
    "isflagged": _yes(Flagged(Flag.FLAGGED), "isflagged"),
}

_DATED = frozenset("before after on until received".split())
_SIZED = frozenset("larger smaller size".split())
_UNIT = re.compile(r"[kmg]i?b|bytes?")
_LONG = re.compile(r"days?|weeks?|months?|years?")


def continues(field: str, value: str, following: str) -> str:
    """Return the value of a field with the next word if both belong together (`this week`, `3 days`, `10 MB`)."""
    first, after = value.lower(), following.lower()
    if field in _DATED and first in {"this", "last", "past"} and after in {"week", "month", "year"}:
        return f"{first}-{after}"
    unit = _LONG if field in _DATED else _UNIT if field in _SIZED else None
    return f"{value}{after}" if unit and value[-1:].isdigit() and unit.fullmatch(after) else value
