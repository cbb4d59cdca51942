"""A profile has one definition: whatever shows, changes or stores profiles follows its fields."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path

import msgspec
import pytest
import tomli_w

import muniment
from muniment.cli.profiles.add import FIELDS as OPTIONS
from muniment.cli.profiles.facts import profile_facts
from muniment.model.profile import Profile, ProfileDocument
from muniment.services.profiles.profile_document import from_toml, to_builtins, to_toml, with_change
from muniment.services.profiles.submit_profile import ProfileSummary
from muniment.shapes.profiles import export_shape, profile_shape
from tests.support.profile_fields import FIELDS, NAMED, base, changed

#: `--mailboxes` and `--csv` are files, or `all`.
_WITHOUT_OPTION = {"mailboxes.all", "mailboxes.addresses", "mailboxes.csv"}

#: Run with a package that has one line more: `throw_away: bool = False` in `ProfileSettings`.
_FOLLOWS = """
from muniment.cli.profiles.facts import profile_facts
from muniment.db.profiles import stored_form
from muniment.model.profile import Profile
from muniment.services.profiles.profile_document import from_toml, to_toml, with_change
from muniment.services.profiles.submit_profile import ProfileSummary
from muniment.shapes.profiles import export_shape, profile_shape

old = from_toml('name = "a"\\nkind = "csv"\\n[server]\\nhost = "h"\\n')
new = with_change(old, "throw_away", "true")
summary = ProfileSummary(Profile.of(new, id=1, due=None), 1)
assert (old.throw_away, new.throw_away) == (False, True)
assert from_toml(to_toml(new)) == new
assert export_shape(new)["throw_away"] is profile_shape(summary)["throw_away"] is True
assert "`throw_away`" in profile_shape.__doc__ and "`throw_away`" in export_shape.__doc__
assert ("throw away", "yes") in profile_facts(summary)
assert stored_form(new)["throw_away"] is True
"""


def summary(document: ProfileDocument) -> ProfileSummary:
    """Return the summary of the profile that was stored from a document."""
    return ProfileSummary(Profile.of(document, id=1, due=datetime(2026, 1, 1, tzinfo=UTC)), 3)


@pytest.mark.parametrize("field", FIELDS)
def test_field_is_exported_and_imported(field: str) -> None:
    """A TOML file and JSON hold each field, and give it back."""
    document = changed(field)

    assert document == from_toml(to_toml(document))
    assert export_shape(document) != export_shape(base(field))
    assert export_shape(document) == to_builtins(document)


@pytest.mark.parametrize("field", FIELDS)
def test_field_is_changed_by_name(field: str) -> None:
    """`profile edit --set FIELD=VALUE` changes each field, and nothing else."""
    value = msgspec.to_builtins(attrgetter(field)(changed(field)))
    line = tomli_w.dumps({"value": value}) if not _is_rows(value) else f"value = {_inline(value)}"
    text = line.removeprefix("value = ").strip()

    assert with_change(base(field), field, text) == changed(field)


def _is_rows(value: object) -> bool:
    return isinstance(value, list | tuple) and bool(value) and isinstance(value[0], dict)


def _inline(rows: list[dict[str, str]]) -> str:
    return "[" + ", ".join("{" + ", ".join(f'{k} = "{v}"' for k, v in row.items()) + "}" for row in rows) + "]"


@pytest.mark.parametrize("field", sorted(set(FIELDS) - NAMED))
def test_field_is_shown(field: str) -> None:
    """`profile show` and `profile show --json` say something else when a field is another one."""
    before, after = summary(base(field)), summary(changed(field))

    assert profile_shape(before) != profile_shape(after)
    assert [*profile_facts(before), *before.profile.warnings] != [*profile_facts(after), *after.profile.warnings]
    assert set(profile_shape(before)) == set(profile_shape(after))


@pytest.mark.parametrize("field", sorted(set(FIELDS) - _WITHOUT_OPTION))
def test_field_has_an_option(field: str) -> None:
    """`profile add` has one option for each field."""
    assert [option.field for option in OPTIONS].count(field) == 1


def test_default_shows_no_line_for_what_nobody_changed() -> None:
    """The table of `profile show` has no line for a field with its default, except those that everybody looks for."""
    names = {name for name, _ in profile_facts(summary(base("max_jobs")))}

    assert names == {
        *(
            "profile",
            "kind",
            "server",
            "access",
            "server kind",
            "login",
            "user",
            "mailboxes",
            "folders",
            "always excluded",
        ),
        *("namespaces", "deletion on server", "schedule", "next run", "max. jobs", "timeout"),
    }


def test_new_field_is_one_line_in_the_model(tmp_path: Path) -> None:
    """With one line in `ProfileSettings` a field is stored, exported, imported, changed and shown."""
    package = tmp_path / "muniment"
    shutil.copytree(Path(muniment.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    model = package / "model" / "profile.py"
    line = "    no_master_mailbox: bool = False\n"
    text = model.read_text()
    assert text.count(line) == 1
    model.write_text(text.replace(line, f"{line}    throw_away: bool = False\n"))

    done = subprocess.run(
        [sys.executable, "-c", _FOLLOWS], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )

    assert done.stderr == ""
    assert done.returncode == 0


def test_summary_is_json() -> None:
    """What `--json` prints of a profile consists of JSON values."""
    document = changed("filter.since")

    assert msgspec.json.decode(msgspec.json.encode(profile_shape(summary(document))))["filter"] == {
        "since": "2024-02-29"
    }
