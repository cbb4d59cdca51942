"""Stored profiles of older and newer versions."""

from __future__ import annotations

import pytest

from muniment.errors import Misconfigured
from muniment.model import profile_versions
from muniment.model.profile_versions import SCHEMA_VERSION, UPGRADES, upgraded


def test_present_form_stays() -> None:
    """What this version wrote is what it reads."""
    assert upgraded({"max_jobs": 3}, SCHEMA_VERSION) == {"max_jobs": 3}


def test_each_version_has_a_step_to_the_next() -> None:
    """No stored version is stranded on the way."""
    assert sorted(UPGRADES) == list(range(1, SCHEMA_VERSION))


def test_old_forms_take_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """A document of version 1 passes all steps in their order; one of version 2 those that are left."""
    monkeypatch.setattr(profile_versions, "SCHEMA_VERSION", 3)
    monkeypatch.setitem(UPGRADES, 1, lambda stored: {"jobs": stored["max_jobs"]})
    monkeypatch.setitem(UPGRADES, 2, lambda stored: {"jobs": stored["jobs"], "ways": 1})

    assert upgraded({"max_jobs": 3}, 1) == {"jobs": 3, "ways": 1}
    assert upgraded({"jobs": 4}, 2) == {"jobs": 4, "ways": 1}


def test_newer_forms_are_refused() -> None:
    """A process that is older than what wrote a profile says so."""
    with pytest.raises(
        Misconfigured, match=f"schema version {SCHEMA_VERSION + 1}, known is {SCHEMA_VERSION}"
    ) as caught:
        upgraded({}, SCHEMA_VERSION + 1)

    assert caught.value.hint
