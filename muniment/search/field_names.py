"""The names of fields in queries: ours, those of Gmail and Outlook, and what looks like a field but is text."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from muniment.search.query import Field

#: Names whose value is text, with the fields that are searched; none: everywhere.
TEXTS: dict[str, tuple[Field, ...]] = {
    **{field.value: (field,) for field in Field if field not in {Field.SENT_BY, Field.DELIVERED}},
    "text": (),
    "sender": (Field.SENT_BY,),
    "recipient": (Field.TO, Field.CC),
    "participants": (Field.FROM, Field.TO, Field.CC),
}

#: Names whose value is something else, as listed for users.
VALUES = (
    *("before", "after", "on", "until", "received", "larger", "smaller", "size"),
    *("has", "is", "type", "kind", "messageid", "folder", "archive"),
    *("hasattachment", "isread", "isflagged"),
)

#: Names from other programs, without hyphens and underscores, for the same thing.
ALIASES = {
    "message": "text",
    "all": "text",
    "content": "body",
    "contents": "body",
    "subjects": "subject",
    "title": "subject",
    "author": "from",
    "senders": "from",
    "links": "link",
    "url": "link",
    "listid": "list",
    "mailinglist": "list",
    "bcc": "to",
    "recipients": "recipient",
    "deliveredto": "recipient",
    "participant": "participants",
    "people": "participants",
    "attachments": "attachment",
    "attachmentname": "filename",
    "filenames": "filename",
    "file": "filename",
    "ext": "filename",
    "extension": "filename",
    "attachmenttype": "type",
    "filetype": "type",
    "since": "after",
    "newer": "after",
    "newerthan": "after",
    "older": "before",
    "olderthan": "before",
    "date": "on",
    "sent": "on",
    "day": "on",
    "month": "on",
    "year": "on",
    "till": "until",
    "largerthan": "larger",
    "biggerthan": "larger",
    "bigger": "larger",
    "minsize": "larger",
    "smallerthan": "smaller",
    "maxsize": "smaller",
    "messagesize": "size",
    "in": "folder",
    "label": "folder",
    "mailbox": "folder",
    "infolder": "folder",
    "user": "archive",
    "rfc822msgid": "messageid",
    "msgid": "messageid",
    "id": "messageid",
    "mid": "messageid",
    "hasattachments": "hasattachment",
    "read": "isread",
    "flagged": "isflagged",
    "hasflag": "isflagged",
}

#: What is not indexed, with what to use instead.
_NOT_INDEXED = {
    "importance": "importance", "priority": "importance", "category": "categories", "categories": "categories",
    "header": "other header fields", "followupflag": "follow-up flags", "due": "due dates", "language": "languages",
}  # fmt: skip

#: Names in other languages and programs, with ours.
_TRANSLATED = {
    "created": "received",
    "modified": "received",
    "messagekind": "kind",
    "account": "archive",
    "path": "folder",
    "von": "from",
    "an": "to",
    "betreff": "subject",
    "anhang": "attachment",
    "anlage": "attachment",
    "anlagen": "attachment",
    "ordner": "folder",
    "gesendet": "on",
    "empfangen": "received",
    "datum": "on",
    "größe": "size",
    "groesse": "size",
    "nach": "after",
    "vor": "before",
    "inhalt": "body",
    "de": "from",
    "objet": "subject",
    "à": "to",
    "asunto": "subject",
    "para": "to",
    "oggetto": "subject",
    "onderwerp": "subject",
    "assunto": "subject",
    "expéditeur": "from",
    "destinataire": "to",
    "remitente": "from",
    "destinatario": "to",
    "mittente": "from",
    "afzender": "from",
}

_SCHEMES = frozenset(
    "http https ftp ftps sftp ssh git svn file mailto tel sip sips callto xmpp news nntp ldap ldaps imap imaps pop smb"
    " nfs urn data cid mid tag geo sms smsto skype msteams zoommtg webcal magnet bitcoin doi isbn issn orcid pmid arxiv"
    " javascript about view view-source jdbc postgresql postgres mysql redis rediss ws wss whatsapp slack".split()
)
_ANSWERS = frozenset("re fwd fw aw wg sv vs tr rif antw ref rv enc res odp ynt ang doorst ps nb cf tel fax mob".split())
#: A Message-ID in Gmail; something else unless it contains an @.
_IDENTIFIERS = frozenset({"id", "mid"})
# Not a year: created:2024 means a date, localhost:8080 an address.
_PORT = re.compile(r"(?!(?:19|20)\d\d(?:\D|$))\d{2,5}(?:[/.,;?].*)?")
#: Aliases that are words as well: a blank behind the colon makes them text.
_ORDINARY = frozenset(
    "read flagged file title message all content contents user day month year sent people author mid bigger newer older"
    " till ext mailbox id".split()
)
_LISTED = (*(name for name in TEXTS), *VALUES)


@dataclass(frozen=True)
class Meaning:
    """What `name:` in a query means: the `field` of that name, an `error`, or (both empty) text; `note`: for users."""

    field: str = ""
    error: str = ""
    hint: str | None = None
    note: str = ""


def meaning(name: str, value: str, *, is_apart: bool) -> Meaning:
    """Return what `name:value` means; `is_apart`: there is a blank before the value, or no value."""
    key = name.lower().replace("-", "").replace("_", "")
    if value.startswith("//"):
        return Meaning()
    if key in TEXTS or key in VALUES or (key in ALIASES and not (is_apart and key in _ORDINARY)):
        return Meaning("" if key in _IDENTIFIERS and "@" not in value else ALIASES.get(key, key))
    return _unknown(name, key, value, is_apart=is_apart)


def _unknown(name: str, key: str, value: str, *, is_apart: bool) -> Meaning:
    if key in _TRANSLATED and not (is_apart and len(key) <= len("an")):
        return Meaning(error=f"unknown field {name}:", hint=f"Use {_TRANSLATED[key]}: instead of {name}:.")
    if key in _NOT_INDEXED and not is_apart:
        return Meaning(error=f"{name}: cannot be searched", hint=f"The index does not contain {_NOT_INDEXED[key]}.")
    near = _nearest(key)
    if is_apart:
        return Meaning(note=f"{name}: is searched as text; did you mean {near}:?" if near else "")
    if not near and _is_text(name.lower(), value):
        return Meaning()
    hint = f"Did you mean {near}:?" if near else f"Fields: {' '.join(f'{one}:' for one in _LISTED)}"
    return Meaning(error=f"unknown field {name}:", hint=f"{hint} To search for the text, write it in quotes.")


def _nearest(key: str) -> str:
    if key in _SCHEMES or key in _ANSWERS:
        return ""
    near = difflib.get_close_matches(key, [*_LISTED, *ALIASES], n=1, cutoff=0.75)
    return near[0] if near else ""


def _is_text(name: str, value: str) -> bool:
    """Whether `name:value` is an address, a path, a time, a port or the beginning of an answer's subject."""
    return (
        len(name) <= len("re")
        or name in _SCHEMES
        or name in _ANSWERS
        or not name.isalpha()
        or value[:1] in {"/", "\\", ".", ":", "[", "*"}
        or ":" in value
        or "@" in value
        or _PORT.fullmatch(value) is not None
    )
