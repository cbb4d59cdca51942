"""docker-compose.yml for tests: parsed, with variables replaced by their defaults."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any, cast

import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker-compose.yml"
DOCKERFILE = ROOT / "deploy" / "Dockerfile"

#: `${NAME:-default}`; `$$` is Compose's escape for a dollar sign.
VARIABLE = re.compile(r"(?<!\$)\$\{(?P<name>[A-Z_]+):-(?P<default>[^}]*)\}")


def load() -> dict[str, Any]:
    """Return the file with its anchors resolved and every variable at its default."""
    return cast("dict[str, Any]", _interpolate(yaml.safe_load(COMPOSE.read_text())))


def services() -> dict[str, dict[str, Any]]:
    """Return all services by name."""
    return cast("dict[str, dict[str, Any]]", load()["services"])


def muniment_services() -> dict[str, dict[str, Any]]:
    """Return the services that run Muniment's own code."""
    return {name: s for name, s in services().items() if s["image"].startswith("muniment:")}


def argv(service: dict[str, Any]) -> list[str]:
    """Return the command that the container of a service runs."""
    return [*service.get("entrypoint", []), *service.get("command", [])]


def probe(service: dict[str, Any]) -> list[str] | None:
    """Return the program and arguments of a service's health check, or None."""
    kind, *rest = service.get("healthcheck", {}).get("test", ["NONE"])
    if kind == "NONE":
        return None
    return rest if kind == "CMD" else shlex.split(rest[0].replace("$$", "$"))


def _interpolate(value: object) -> object:
    if isinstance(value, dict):
        return {key: _interpolate(v) for key, v in value.items()}
    if isinstance(value, list):
        return [_interpolate(v) for v in value]
    if isinstance(value, str):
        return VARIABLE.sub(lambda match: match["default"], value)
    return value
