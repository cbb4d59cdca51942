from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.mail.markup import html_to_text


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("<p>one</p><p>two</p>", "one two"),
        ("wo<b>r</b>d", "word"),
        ("a<br>b<td>c", "a b c"),
        ("<script>var x = '<p>';</script>seen<style>p {}</style>", "seen"),
        ("<SCRIPT src=x>hidden</Script >seen", "seen"),
        ("<!-- hidden <p> -->seen<!-->also -->", "seen also -->"),
        ("Caf&eacute; &amp; &#8364;&#x20ac; &nbsp;x", "Café & €€ x"),
        ("<a title=\"x > y\" href='>'>link</a>", "link"),
        ("5 < 6 and <3", "5 < 6 and <3"),
        ("<p it's>seen", "seen"),
        ('<a href="never closed>seen', "seen"),
        ("seen<p class=", "seen"),
        ("<!doctype html><?xml version='1.0'?><title>Title</title>", "Title"),
        ("a\n\n  b \t c", "a\nb c"),
        ("&#99999999999999999999;", "\ufffd"),
        ("<![if mso]>seen<![endif]>", "seen"),
    ],
)
def test_html_to_text(source: str, expected: str) -> None:
    """The result is the text that a browser shows."""
    assert html_to_text(source) == expected


@given(st.text(st.sampled_from("<>a/!-\"'= &#;x0\n") | st.characters(), max_size=200))
def test_no_markup_raises(source: str) -> None:
    """Any text is converted without an error."""
    assert "<!--" not in html_to_text(source.replace("&", ""))


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "piece",
    [
        "<a ",
        "<!--",
        '<a "',
        "<a b='",
        "</",
        "<script>",
        "&#",
        "&#" + "9" * 5000,
        "<![",
        "\u2003",
        " ",
        "<a\n",
        "&aaaaaaaa",
        "<",
    ],
)
def test_hostile_markup_takes_linear_time(piece: str) -> None:
    """A megabyte of input that takes html.parser minutes is converted quickly."""
    html_to_text(piece * (1024 * 1024 // len(piece)))
