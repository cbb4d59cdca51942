"""JSON of the keys that encrypt stored passwords."""

from __future__ import annotations

from collections.abc import Sequence

from muniment.services.operating.rotate_key import KeyUse


def key_use_shape(use: KeyUse, known: Sequence[str]) -> dict[str, object]:
    """`keys[{id, passwords, active, in_key_file}]` (those in the key file, newest first, and then those that it lacks;
    `passwords`: how many each encrypts), `unbound_passwords`.
    """
    missing = sorted(set(use.values) - {*known, ""})
    keys = [
        {
            "id": key,
            "passwords": use.values.get(key, 0),
            "active": key == use.active,
            "in_key_file": key in known,
        }
        for key in (*known, *missing)
    ]
    return {"keys": keys, "unbound_passwords": use.values.get("", 0)}
