"""What people type from habit, or paste, finds what it should, on every index; what it cannot mean is said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from muniment.errors import BadQuery, Misconfigured, TooComplex
from muniment.search import OpenSearchIndex
from tests.integration.search.library import ANNA, Letter
from tests.integration.search.test_queries import read_in
from tests.support.harness import Harness

LETTERS = [
    Letter(
        "mixed", "請求書2025年", "2025年度の予算。B社のY線装置、第7章まで。", date="Fri, 02 May 2025 10:00:00 +0000"
    ),
    Letter("kana", "Ｔシャツ９枚", "新しいTシャツ。LG에너지 3월분 청구서.", folder=b"Projects/Sent Items"),
    Letter(
        "links",
        "Where is the parcelqq?",
        "See https://track.example/find.php?nr=8812zz&lang=de and https://track.example/x*y/z or write to"
        " depot+night@track.example, order #5567, version v2.4.1, room AB-17/3, at 14:45, C:\\temp\\packlist.txt",
    ),
    Letter(
        "hidden",
        "In\u00advoi\u00adces",
        "Ver\u00adtrags\u00adende, pass\u200bword, sec\u2060ret, \u202eright\u202c, می\u200cشوند",
    ),
    Letter(
        "forms",
        "Two re-checks",
        "They send re-checks by e-posts; d'huissiers et l’huissier; the users' and client's papers.",
    ),
    Letter(
        "umlaut", "Straße", "Grüße aus Düsseldorf", sender="Jörg Möhringer <joerg@köln.example>", flags=("\\Flagged",)
    ),
    Letter("typed", "Strasse", "Gruesse aus Duesseldorf", sender="Joerg Moehringer <joerg@xn--kln-sna.example>"),
    Letter("nordic", "Brev", "Smørrebrød fra Århus", sender="Søren Kjær <soren@dk.example>"),
    Letter("arabic", "مـــدرسة", "إلى المدرسة في القاهرة، الرقم ٤٧١١، کتاب یک"),
    Letter("code", "Learning C++", "C# and .NET are next, not C. Thumbs 👍🏽 and ❤️"),
    Letter("plain", "Net profit", "the letter c alone, not much more"),
    Letter(
        "file",
        "The plan",
        "attached",
        files=(("floor-plan.pdf", "application/octet-stream", b"%PDF- no more"),),
        padding=40_000,
    ),
]

QUERIES = [
    # One letter or digit beside one character of a script without blanks
    ("2025年", "mixed"),
    ("２０２５年", "mixed"),
    ("5年", ""),
    ("B社", "mixed"),
    ("Y線", "mixed"),
    ("第7章", "mixed"),
    ("subject:2025年", "mixed"),
    ("7章ま", "mixed"),
    ("20*年", "mixed"),
    ("2025年*", "mixed"),
    ("年", "mixed"),
    ("Tシ", "kana"),
    ("9枚", "kana"),
    ("LG에", "kana"),
    ("3월", "kana"),
    # Question marks, addresses, URLs, paths
    ("parcelqq?", "links"),
    ("where is the parcelqq?", "links"),
    ("subject:parcelqq??", "links"),
    ("https://track.example/find.php?nr=8812zz&lang=de", "links"),
    ("find.php?nr=8812zz", "links"),
    ("https://track.example/x*y/z", "links"),
    ("<depot+night@track.example>", "links"),
    ("mailto:depot+night@track.example", "links"),
    ("#5567", "links"),
    ("v2.4.1", "links"),
    ("AB-17/3", "links"),
    ("14:45", "links"),
    ("C:\\temp\\packlist.txt", "links"),
    ("parcel??", "links"),
    ("p*cel?q", "links"),
    ("*celqq", "links"),
    ("?arcelqq", "links"),
    ("subject:*celqq", "links"),
    ("body:*celqq", ""),
    ("/parc.*/", "links"),
    ('"where is the parc*"', "links"),
    ('"is where the parc*"', ""),
    ('subject:"the parc*"', "links"),
    # What nobody sees
    ("invoices", "hidden"),
    ("Vertragsende", "hidden"),
    ("password", "hidden"),
    ("secret", "hidden"),
    ("se\u00adcret", "hidden"),
    ("\u200fright", "hidden"),
    ("می\u200cشوند", "hidden"),
    ("میشوند", "hidden"),
    ("می شوند", "hidden"),
    # Hyphens and apostrophes
    ("re-check", "forms"),
    ("recheck", "forms"),
    ("e-post", "forms"),
    ("epost", "forms"),
    ("d'huissier", "forms"),
    ("l'huissier", "forms"),
    ("user's", "forms"),
    ("client", "forms"),
    ("re-post", ""),
    # Letters typed as two, and international domain names, both ways
    ("duesseldorf", "umlaut typed"),
    ("Düsseldorf", "umlaut typed"),
    ("dusseldorf", "umlaut typed"),
    ("from:moehringer", "umlaut typed"),
    ("from:Möhringer", "umlaut typed"),
    ("from:moehr*", "umlaut typed"),
    ("from:joerg@köln.example", "umlaut typed"),
    ("from:joerg@xn--kln-sna.example", "umlaut typed"),
    ("from:köln.example", "umlaut typed"),
    ("smoerrebroed", "nordic"),
    ("smorrebrod", "nordic"),
    ("aarhus", "nordic"),
    ("from:kjaer", "nordic"),
    # Arabic and Persian
    ("مدرسه", "arabic"),
    ("الى", "arabic"),
    ("4711", "arabic"),
    ("كتاب", "arabic"),
    ("يك", "arabic"),
    ("القاهره", "arabic"),
    # Signs
    ("C++", "code"),
    ("c#", "code"),
    (".NET", "code"),
    ("👍", "code"),
    ("❤", "code"),
    ("net", "code plain"),
    ("c not", "code plain"),
    ("-👍 subject:net", "plain"),
    # Fields and operators of other programs
    ("from: moehringer", "umlaut typed"),
    ("in:inbox nordic", ""),
    ("in:inbox brev", "nordic"),
    ("label:inbox brev", "nordic"),
    ("in:sent 枚", "kana"),
    ("in:anywhere brev", "nordic"),
    ("brev older_than:1y", "nordic"),
    ("brev newer_than:9999d", "nordic"),
    ("brev after:2024/03/05", "nordic"),
    ("brev since:2024-03-06", ""),
    ("brev on:05.03.2024", "nordic"),
    ("brev on:3/5/2024", "nordic"),
    ("brev on:20240305", "nordic"),
    ("brev date:2024-03-01..2024-03-31", "nordic"),
    ("brev year:2024", "nordic"),
    ("brev sent:>=2024-03-05", "nordic"),
    ("brev received:2024-07-17", "nordic"),
    ("brev received:2024-03-05", ""),
    ("rfc822msgid:nordic@library.example", "nordic"),
    ("id:nordic@library.example", "nordic"),
    ("<nordic@library.example>", "nordic"),
    ("nordic@library.example", "nordic"),
    ("from:soren@dk.example,nobody@dk.example", "nordic"),
    ("to:me brev", "nordic"),
    ("from:me brev", ""),
    ("recipient:anna brev", "nordic"),
    ("participants:soren", "nordic"),
    ("sender:soren", "nordic"),
    ("deliveredto:anna@example.com brev", "nordic"),
    ("brev kind:email", "nordic"),
    ("brev and århus", "nordic"),
    ("brev or nonesuch", "nordic"),
    ("brev | nonesuch", "nordic"),
    ("{brev nonesuch}", "nordic"),
    ("brev from=soren", "nordic"),
    ('"brev', "nordic"),
    ("brev (århus", "nordic"),
    ("brev) århus", "nordic"),
    ("brev~1", "nordic"),
    ("hasattachment:yes", "file"),
    ("has:pdf", "file"),
    ("filename:*.pdf", "file"),
    ("ext:pdf", "file"),
    ("filetype:pdf", "file"),
    ("larger:30 KB", "file"),
    ("size:>30k", "file"),
    ("is:starred", "umlaut"),
    ("flagged:yes", "umlaut"),
    ("isread:no brev", ""),
    ("kind:pdf", "file"),
    ("brev -is:unread", "nordic"),
]


async def test_habits_find_what_they_should(searching: Harness) -> None:
    """Each query that people type or paste finds exactly the listed messages, on every index."""
    await read_in(searching, LETTERS)
    subjects = {letter.subject.replace("\u00ad", ""): letter.id for letter in LETTERS}
    wrong = []
    for query, expected in QUERIES:
        found = await searching.found(query, ANNA, snippets=True)
        names = sorted(subjects[hit.subject.replace("\u00ad", "")] for hit in found.hits)
        if names != sorted(expected.split()):
            wrong.append((query, expected, " ".join(names)))

    assert wrong == []


async def test_what_fits_nothing_is_said(searching: Harness) -> None:
    """A folder or an archive that does not exist is named with the result, and `me` needs a user."""
    await read_in(searching, LETTERS)

    assert (await searching.found("in:nowhere", ANNA)).notes == ("no folder is called nowhere",)
    assert (await searching.found("archive:nobody*", ANNA)).notes == ("no archive that may be read is called nobody*",)
    everybody = searching.with_settings(administrators_search=True)
    with pytest.raises(Misconfigured, match="nobody is meant by me"):
        await everybody.found("to:me")


async def test_too_many_words_for_a_phrase_are_an_error(searching: Harness) -> None:
    """Where OpenSearch cannot expand a phrase that ends in `*`, it says so; it never leaves words out."""
    words = " ".join(f"alpha be{number:05}" for number in range(2000))
    await read_in(searching, [Letter("many", "Many", words)])

    if isinstance(searching.resources.index, OpenSearchIndex):
        with pytest.raises(TooComplex) as error:
            await searching.found('"alpha be*"', ANNA)
        assert "more letters" in error.value.hint
    else:
        assert (await searching.found('"alpha be*"', ANNA)).total == 1
    assert (await searching.found('"alpha be0199*"', ANNA)).total == 1


async def test_patterns_that_could_be_tried_for_ever(searching: Harness) -> None:
    """A pattern with many wildcards is searched for, resolved among folders, and marked, at once."""
    word = "a" * 60
    await read_in(
        searching, [replace(LETTERS[0], id="long", subject="Long", body=f"{word} {word}", folder=word.encode())]
    )
    pattern = "a*" * 9 + "b"

    assert (await searching.found(pattern, ANNA, snippets=True)).total == 0
    assert (await searching.found(f"folder:{pattern}", ANNA)).total == 0
    found = await searching.found(pattern[:-1], ANNA, snippets=True)
    assert found.hits[0].snippet is not None
    assert (word, True) in found.hits[0].snippet.pieces
    with pytest.raises(BadQuery, match="at most 10"):
        await searching.found("a*" * 30 + "b", ANNA)
