r"""Gmail's folders are views: one message is in *All Mail* and in a folder for each of its labels.

Fetching every view would fetch the same messages several times. *Starred* and *Important* show only what is in *All
Mail*. *All Mail* is searched for what no other archived folder shows, by the labels of each message
(developers.google.com/workspace/gmail/imap/imap-extensions, X-GM-EXT-1).
"""

from __future__ import annotations

from collections.abc import Sequence

from muniment.model.folder import ServerFolder

_EXTENSION = "X-GM-EXT-1"
_ALL = "\\all"
_VIEWS = {"\\flagged", "\\important"}
#: The labels of the folders that the server marks, by special-use attribute (RFC 6154).
_SYSTEM_LABELS = {
    "\\sent": {b"\\SENT"},
    "\\drafts": {b"\\DRAFT", b"\\DRAFTS"},
    "\\junk": {b"\\SPAM", b"\\JUNK"},
    "\\trash": {b"\\TRASH"},
    "\\flagged": {b"\\STARRED", b"\\FLAGGED"},
    "\\important": {b"\\IMPORTANT"},
}


def is_all_mail(folder: ServerFolder) -> bool:
    """Return whether a folder shows all messages of the mailbox."""
    return _ALL in _attributes(folder)


def is_view(folder: ServerFolder) -> bool:
    """Return whether a folder of Gmail shows only messages that *All Mail* shows as well."""
    return not _attributes(folder).isdisjoint(_VIEWS)


def labels_elsewhere(
    folder: ServerFolder, archived: Sequence[ServerFolder], capabilities: frozenset[str]
) -> frozenset[bytes]:
    """Return the labels under which other archived folders show messages of this one; empty unless it is All Mail."""
    if _EXTENSION not in capabilities or not is_all_mail(folder):
        return frozenset()
    return frozenset(label for other in archived if other != folder for label in _labels_of(other))


def is_elsewhere(labels: Sequence[bytes], elsewhere: frozenset[bytes]) -> bool:
    """Return whether a message with these labels is in a folder that is archived with one of the labels `elsewhere`."""
    return any(_normal(label) in elsewhere for label in labels)


def _labels_of(folder: ServerFolder) -> set[bytes]:
    if folder.path == ("INBOX",):
        return {b"\\INBOX"}
    for attribute in _attributes(folder):
        if attribute in _SYSTEM_LABELS:
            return _SYSTEM_LABELS[attribute]
    return {folder.wire_name}


def _normal(label: bytes) -> bytes:
    """System labels are written in any case, labels of the user are folder names."""
    return label.upper() if label.startswith(b"\\") else label


def _attributes(folder: ServerFolder) -> set[str]:
    return {attribute.lower() for attribute in folder.attributes}
