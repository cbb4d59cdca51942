"""Settings: a frozen value from the environment; names and values are checked, and secrets are not shown."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest

from muniment.errors import Misconfigured
from muniment.secrecy import Secret
from muniment.settings import Settings, environment, file_variable, variable

URL = "postgresql://muniment:hunter2@db/muniment"


def test_an_empty_environment_gives_the_defaults() -> None:
    """No setting is required: the embedded servers need none."""
    settings = Settings.from_environment({})

    assert settings == Settings()
    assert (settings.database_url, settings.redis_url, settings.opensearch_url) == (None, None, None)


def test_foreign_variables_are_ignored() -> None:
    """Only MUNIMENT_* variables are read."""
    assert Settings.from_environment({"PATH": "/bin", "REDIS_URL": "redis://x"}) == Settings()


def test_settings_are_frozen() -> None:
    """Settings cannot be changed while the process runs."""
    with pytest.raises(FrozenInstanceError):
        Settings().log_level = "DEBUG"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("MUNIMENT_DATA", "/srv/muniment", "data", Path("/srv/muniment")),
        ("MUNIMENT_DATABASE_URL", URL, "database_url", Secret(URL)),
        ("MUNIMENT_SECRET_KEY_FILE", "/run/key", "secret_key_file", Path("/run/key")),
        ("MUNIMENT_ARCHIVE_CONCURRENCY", "50", "archive_concurrency", 50),
        ("MUNIMENT_TICK_SECONDS", "0.25", "tick_seconds", 0.25),
        ("MUNIMENT_LOG_LEVEL", "debug", "log_level", "DEBUG"),
        ("MUNIMENT_LOG_JSON", "Yes", "log_json", True),
        ("MUNIMENT_LOG_JSON", "0", "log_json", False),
        ("MUNIMENT_ATTACHMENT_SANDBOX", "require", "attachment_sandbox", "require"),
    ],
)
def test_a_variable_is_read_with_its_type(name: str, text: str, field: str, value: object) -> None:
    """Each variable is converted to the type of its field."""
    assert getattr(Settings.from_environment({name: text}), field) == value


def test_an_empty_variable_counts_as_not_set() -> None:
    """An empty variable, as passed by Compose and systemd, means the default."""
    assert Settings.from_environment(dict.fromkeys(map(variable, fields(Settings)), "")) == Settings()


@pytest.mark.parametrize("name", ["MUNIMENT_DATABSE_URL", "MUNIMENT_", "MUNIMENT_LOG_LEVEL_FILE", "MUNIMENT_DATA_FILE"])
def test_an_unknown_variable_stops_the_process(name: str) -> None:
    """An unknown name is refused and reported; only secrets can be read from files."""
    with pytest.raises(Misconfigured, match=f"unknown setting {name}$") as caught:
        Settings.from_environment({name: "x"})

    assert "docs/reference/settings.md" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("MUNIMENT_ARCHIVE_CONCURRENCY", "0"),
        ("MUNIMENT_ARCHIVE_CONCURRENCY", "many"),
        ("MUNIMENT_ARCHIVE_CONCURRENCY", "1.5"),
        ("MUNIMENT_LEASE_SECONDS", "-1"),
        ("MUNIMENT_LOG_JSON", "maybe"),
        ("MUNIMENT_ATTACHMENT_SANDBOX", "yes"),
    ],
)
def test_a_malformed_value_is_named(name: str, text: str) -> None:
    """The message contains the variable and its value."""
    with pytest.raises(Misconfigured, match=f"^{name}='{text}' is not valid: "):
        Settings.from_environment({name: text})


@pytest.mark.parametrize("name", ["MUNIMENT_DATABASE_URL", "MUNIMENT_REDIS_URL", "MUNIMENT_OPENSEARCH_URL"])
def test_a_secret_may_come_from_a_file(name: str, tmp_path: Path) -> None:
    """NAME_FILE gives the content of the file, without the blanks and the line break that editors append."""
    file = tmp_path / "secret"
    file.write_text(f"  {URL}\r\n\n")
    settings = Settings.from_environment({f"{name}_FILE": str(file)})

    assert getattr(settings, name.removeprefix("MUNIMENT_").lower()) == Secret(URL)


def test_a_secret_file_is_read_once(tmp_path: Path) -> None:
    """The value is kept, not the name of the file, which may be removed later."""
    file = tmp_path / "secret"
    file.write_text(URL)
    settings = Settings.from_environment({"MUNIMENT_DATABASE_URL_FILE": str(file)})
    file.unlink()

    assert settings.database_url == Secret(URL)


def test_a_secret_given_twice_is_refused(tmp_path: Path) -> None:
    """Setting both the variable and the file is an error, even if they agree; neither value is shown."""
    file = tmp_path / "secret"
    file.write_text(URL)
    with pytest.raises(Misconfigured, match="both MUNIMENT_REDIS_URL and MUNIMENT_REDIS_URL_FILE") as caught:
        Settings.from_environment({"MUNIMENT_REDIS_URL": URL, "MUNIMENT_REDIS_URL_FILE": str(file)})

    assert "hunter2" not in str(caught.value)


def test_an_empty_file_variable_counts_as_not_set() -> None:
    """An empty NAME_FILE does not conflict with NAME."""
    settings = Settings.from_environment({"MUNIMENT_REDIS_URL": URL, "MUNIMENT_REDIS_URL_FILE": ""})

    assert settings.redis_url == Secret(URL)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "No such file or directory"), (b" \n", "is empty"), (b"hunter2\xff", "not valid UTF-8 text")],
)
def test_an_unusable_secret_file_is_named_but_not_shown(tmp_path: Path, content: bytes | None, reason: str) -> None:
    """The message contains the file, its variable and the reason, but not the content of the file."""
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(Misconfigured, match=reason) as caught:
        Settings.from_environment({"MUNIMENT_DATABASE_URL_FILE": str(file)})

    assert str(file) in str(caught.value)
    assert "MUNIMENT_DATABASE_URL_FILE" in str(caught.value)
    assert "hunter2" not in f"{caught.value!r} {caught.value.__cause__!r}"


def test_exactly_the_secrets_have_a_file_variable() -> None:
    """file_variable returns a name only for secrets."""
    names = {file_variable(f) for f in fields(Settings)} - {None}

    databases = {f"MUNIMENT_{whose}DATABASE_URL_FILE" for whose in ("", "OWNER_", "ADMIN_")}
    assert names == {*databases, "MUNIMENT_REDIS_URL_FILE", "MUNIMENT_OPENSEARCH_URL_FILE"}


def test_file_variables_hide_no_other_setting() -> None:
    """No setting has the name of another setting's file variable."""
    assert not {file_variable(f) for f in fields(Settings)} & {variable(f) for f in fields(Settings)}


def test_secrets_do_not_show() -> None:
    """Neither repr nor str of the settings contains a password."""
    settings = Settings.from_environment({"MUNIMENT_DATABASE_URL": URL, "MUNIMENT_REDIS_URL": URL})

    assert "hunter2" not in f"{settings!r} {settings}"


def test_environment_makes_a_child_read_the_same_settings(tmp_path: Path) -> None:
    """from_environment() restores what environment() returns: every type, and secrets only by way of files."""
    file = tmp_path / "secret"
    file.write_text(URL)
    settings = Settings.from_environment(
        {
            "MUNIMENT_DATABASE_URL_FILE": str(file),
            "MUNIMENT_DATA": str(tmp_path),
            "MUNIMENT_TICK_SECONDS": "0.5",
            "MUNIMENT_LOG_JSON": "true",
            "MUNIMENT_FLOWER_PASSWORD_FILE": "/run/secrets/flower",
        }
    )

    found = environment(settings, tmp_path / "run" / "secrets")

    assert Settings.from_environment(found) == settings
    assert URL not in str(found)
    own = Path(found["MUNIMENT_DATABASE_URL_FILE"])
    assert own.parent == tmp_path / "run" / "secrets"
    assert (own.stat().st_mode & 0o777, own.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert environment(settings, tmp_path / "run" / "secrets") == found  # at the next start


def test_key_file_and_spool_lie_in_the_data_folder() -> None:
    """By default, the key and the spool are in the data folder."""
    assert Settings(data=Path("/d")).key_file == Path("/d/secret.key")
    assert Settings(data=Path("/d"), secret_key_file=Path("/k")).key_file == Path("/k")
    assert Settings(data=Path("/d")).spool == Path("/d/spool")


@pytest.mark.parametrize(
    ("name", "value"),
    [("MUNIMENT_LEASE_SECONDS", "nan"), ("MUNIMENT_LEASE_SECONDS", "inf"), ("MUNIMENT_LOG_LEVEL", "chatty")],
)
def test_values_that_mean_nothing_are_refused(name: str, value: str) -> None:
    """Invalid numbers and unknown log levels are refused, with the variable's name."""
    with pytest.raises(Misconfigured, match=f"{name}='{value}'"):
        Settings.from_environment({name: value})
