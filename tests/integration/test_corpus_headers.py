"""Headers and bodies of real and hostile mail."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from muniment.mail.bodies import read_text
from muniment.mail.headers import read_headers
from muniment.model.message import Headers
from tests.support.corpus import corpus_folder, corpus_messages

HEAD_BYTES = 256 * 1024


@pytest.fixture(scope="module")
def made() -> Path:
    return corpus_folder() / "edge/made"


def truths(made: Path, needed: str) -> Iterator[tuple[dict[str, Any], bytes]]:
    for line in (made / "TRUTH.jsonl").read_text("utf-8").splitlines():
        truth = json.loads(line)
        # Journal reports have a parser of their own; truths marked "lenient" are not required.
        if needed in truth and not truth.get("lenient") and not truth["kind"].startswith("journal"):
            yield truth, (made / truth["path"]).read_bytes()


def test_headers_of_made_messages(made: Path) -> None:
    """The headers of every generated message with a known truth are parsed accordingly."""
    wrong = [
        truth["path"] for truth, raw in truths(made, "subject") if not _agrees(truth, read_headers(raw[:HEAD_BYTES]))
    ]

    assert wrong == []


def _agrees(truth: dict[str, Any], headers: Headers) -> bool:
    return (
        headers.subject == (truth["subject"] or "")
        and headers.message_id == (truth["message_id"] or "")
        and (truth["from"] or "") in headers.sender
        and all(address in headers.recipients for address in [*truth["to"], *truth.get("cc", [])])
        and (headers.date.isoformat() if headers.date else None) == truth["date_utc"]
    )


def test_words_of_made_messages(made: Path) -> None:
    """Exactly the known words of bodies and nested messages are found."""
    missing = [
        (truth["path"], word)
        for truth, raw in truths(made, "path")
        for text in [read_text(raw, limit=2_000_000).text]
        for word in [
            *truth.get("body_words", ()),
            *truth.get("inner", {}).get("body_words", ()),
            truth.get("body_text", ""),
        ]
        if word not in text
    ]

    assert missing == []


def test_file_names_of_made_messages(made: Path) -> None:
    """Attachment names are decoded from every encoding; characters that a line cannot contain are removed."""
    missing = [
        (truth["path"], name)
        for truth, raw in truths(made, "attachments")
        for attachment in truth["attachments"]
        for name in [attachment.get("filename") or attachment.get("filename_raw")]
        if name and name.replace("\0", "").replace("\n", " ").strip() not in read_text(raw, limit=1000).attachment_names
    ]

    assert missing == []


def test_real_mail_has_senders_and_dates() -> None:
    """Nearly all of thousands of real messages have a sender and a date, and all can be stored."""
    headers = [read_headers(message.raw[:HEAD_BYTES]) for message in corpus_messages(4000)]
    for one in headers:
        "".join([one.message_id, one.subject, one.sender, one.recipients, *one.raw.values()]).encode("utf-8")

    assert sum(not one.sender for one in headers) <= len(headers) // 1000
    assert sum(one.date is None for one in headers) <= len(headers) // 100
    assert sum("subject" in one.raw for one in headers) <= len(headers) // 100
