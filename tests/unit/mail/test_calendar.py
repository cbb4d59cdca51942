from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.mail.bodies import read_text
from muniment.mail.calendar import calendar_text

_EVENT = """BEGIN:VCALENDAR
PRODID:-//Product//EN
BEGIN:VTIMEZONE
TZID:Customzone
BEGIN:STANDARD
DTSTART:16010101T030000
TZNAME:Zonename
RRULE:FREQ=YEARLY;BYMONTH=10
END:STANDARD
END:VTIMEZONE
BEGIN:VEVENT
UID:0123@uid.example
SUMMARY;LANGUAGE=de:Vertragsver
 handlung: Teil\\, zwei
DESCRIPTION:erste Zeile\\nzweite Zeile\\;
\tEnde
LOCATION:Saal Glühwein
CATEGORIES:Vertrag,Besuch
COMMENT:mit Kaffee
ORGANIZER;CN="Berg; Ada":mailto:ada@x.example
ATTENDEE;ROLE=REQ-PARTICIPANT;CN=Ben Tal;RSVP=TRUE:MAILTO:ben@x.example
DTSTART;TZID=Europe/Berlin:20240305T101500
DTEND:20240305T111500Z
RRULE:FREQ=WEEKLY
X-ALT-DESC;FMTTYPE=text/html:<p>Seite&nbsp;<b>fett</b></p>
BEGIN:VALARM
ACTION:DISPLAY
DESCRIPTION:REMINDER
END:VALARM
END:VEVENT
END:VCALENDAR
"""
_SEEN = [
    *("Vertragsverhandlung: Teil, zwei", "erste Zeile", "zweite Zeile;Ende", "Saal Glühwein", "Vertrag Besuch"),
    *("mit Kaffee", "Berg; Ada ada@x.example", "Ben Tal ben@x.example", "2024-03-05 10:15 Europe/Berlin"),
    *("2024-03-05 11:15 UTC", "Seite fett"),
]


@pytest.mark.parametrize("eol", ["\n", "\r\n"])
def test_a_calendar_is_read_as_people_see_it(eol: str) -> None:
    """Folded and escaped texts, people and times are text; identifiers, rules, zones and the grammar are not."""
    assert calendar_text(_EVENT.replace("\n", eol)).splitlines() == _SEEN


def test_a_contact_is_read_as_people_see_it() -> None:
    """Names, addresses and notes of a contact are text, quoted-printable ones included; its picture is not."""
    contact = (
        "BEGIN:VCARD\r\nVERSION:2.1\r\nN;CHARSET=iso-8859-1;ENCODING=QUOTED-PRINTABLE:M=FCller;=\r\nHans\r\n"
        "item1.EMAIL;TYPE=home:hans@x.example\r\nADR;HOME:;;Weg 5;Ulm;;10115;\r\nNOTE;QUOTED-PRINTABLE:a=0Ab\r\n"
        "PHOTO;ENCODING=b:QUFB\r\n QUFB\r\nBDAY:19800102\r\nORG:Firma;Abteilung\r\nEND:VCARD\r\n"
    )

    assert calendar_text(contact).split() == [
        *("Müller", "Hans", "hans@x.example", "Weg", "5", "Ulm", "10115", "a", "b", "1980-01-02", "Firma", "Abteilung")
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SUMMARY:no begin", "SUMMARY:no begin"),
        ("BEGIN:VEVENT\nDESCRIPTION:a line\nthat is not folded\nSUMMARY:s", "a line that is not folded s"),
        ("BEGIN:VEVENT\nsummary:lower case", "lower case"),
        ('BEGIN:VEVENT\nSUMMARY;CN="open:quote\nLOCATION:here', "here"),
        ("BEGIN:VCALENDAR\nDTSTART:nonsense\nDTEND:2024-03-05", "2024-03-05"),
        ("BEGIN:VTIMEZONE\nEND:VTIMEZONE\nEND:VTIMEZONE\nSUMMARY:still", "still"),
    ],
)
def test_damaged_calendars(text: str, expected: str) -> None:
    """What can be read of a damaged calendar is read."""
    assert " ".join(calendar_text(text).split()) == expected


@pytest.mark.parametrize(
    "head",
    [
        "Content-Type: text/calendar; charset=utf-8; method=REQUEST",
        "Content-Type: application/ics; charset=utf-8\nContent-Disposition: attachment",
        'Content-Type: application/octet-stream; name="invite.ICS"',
    ],
)
def test_calendars_in_a_message(head: str) -> None:
    """A calendar is recognised by its type or its file name."""
    body = read_text(f"{head}\n\n{_EVENT}".encode(), limit=10_000)

    assert "\n".join((body.text, *body.attached)).strip().splitlines() == _SEEN
    assert body.problems == ()


@given(st.text(st.sampled_from('BEGIN:VT\n\r ;=",\\NSUMARY0-Z'), max_size=200))
def test_no_calendar_raises(text: str) -> None:
    """Any text is read without an error."""
    calendar_text("BEGIN:VEVENT\n" + text)


@pytest.mark.parametrize(
    "text",
    [
        "SUMMARY;" + "A=b;" * 300_000 + ":x",
        "x\n" * 500_000,
        "SUMMARY:" + "\\" * 3_000_000,
        'A;B="' + '"' * 2_000_000,
        "DESCRIPTION;ENCODING=QUOTED-PRINTABLE:=\n" * 100_000,
        "DTSTART:" + "/" * 500_000,
        "DTSTART:" + "20240101/" * 100_000,
    ],
)
def test_hostile_calendars_take_linear_time(text: str) -> None:
    """Megabytes of broken grammar are read within seconds of CPU time."""
    began = time.process_time()
    calendar_text("BEGIN:VEVENT\n" + text)

    assert time.process_time() - began < 20
