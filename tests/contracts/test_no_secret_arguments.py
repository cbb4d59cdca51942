"""No page, script or program puts a secret into an argument list, where every user of the machine can read it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("deploy", "docs", "tools", ".ci")
TEXTS = sorted(
    path
    for path in [*ROOT.glob("*.md"), *ROOT.glob("*.yml"), *(p for f in FOLDERS for p in (ROOT / f).rglob("*"))]
    if path.is_file() and path.suffix in {".md", ".yml", ".sh", ".service", ".example", ".env", ""}
)
CODE = sorted(path for folder in ("muniment", "workers", "scheduler") for path in (ROOT / folder).rglob("*.py"))

#: What stands in a command line and is, or becomes, a secret.
PATTERNS = {
    "settings as arguments of env": r"\benv\s+\S*\$\(\s*(?:cat|grep|sed|xargs)\b",
    "settings as arguments of xargs": r"xargs\b[^\n]*\benv\b",
    "a password of redis-cli": r"\b(?:redis|valkey)-cli\b[^\n|]*\s(?:-a|--pass|--askpass)\b",
    "a URL with a password of a client": r"\b(?:psql|pg_dump|pg_restore|pg_isready|redis-cli|valkey-cli|curl|wget)\b"
    r"[^\n`|]*://[^\s/:@`]*:[^\s@`]+@",
    "a password of curl": r"\bcurl\b[^\n|]*\s(?:-u|--user)\s*\S+:\S",
    "a password as an option": r"--(?:password|token|secret|key)(?:=|\s+)['\"]?(?!stdin\b|file\b|FILE\b)[\w$][^\s`]*",
    "a secret in sudo": r"\bsudo\b[^\n]*\b\w*(?:PASSWORD|SECRET|TOKEN|_URL)=",
    "a secret in systemd-run": r"(?:--setenv|--property=Environment)=?\s*\S*(?:PASSWORD|SECRET|TOKEN|_URL)=",
    "a secret in docker": r"\bdocker\b[^\n]*\s(?:-e|--env)[ =]\S*(?:PASSWORD|SECRET|TOKEN)=",
    "a secret read into an argument": r"^\s*(?!printf|echo|keep|\w+=|-)[\w./-]+\s[^\n=]*\s\"?\$\$?\(\s*cat[^)\n]*"
    r"(?:password|secret|token|_url)",
}


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_text_shows_how_to(path: Path) -> None:
    """Whoever copies a command from here tells no secret."""
    text = path.read_text("utf-8", "replace")
    found = [
        f"{what}: {match[0].strip()}"
        for what, pattern in PATTERNS.items()
        for match in re.finditer(pattern, text, re.MULTILINE)
        if path.name != "cli.md"  # generated: `--token-file` and the like are described there
    ]

    assert found == []


@pytest.mark.parametrize(
    "bad",
    [
        "sudo -u muniment env $(cat /etc/muniment/muniment.env) muniment migrate",
        "env $(grep -v '^#' .env | xargs) muniment up",
        "redis-cli -h db -a hunter2 ping",
        "valkey-cli --pass hunter2 ping",
        "pg_dump postgresql://muniment:hunter2@db/muniment > x",
        "curl -u admin:hunter2 https://h:9200",
        "curl https://admin:hunter2@h:9200",
        "muniment profile add x --password hunter2",
        "flower --password=$PASSWORD",
        "sudo MUNIMENT_DATABASE_URL=postgresql://x muniment migrate",
        "systemd-run --setenv=PGPASSWORD=x pg_dump",
        "docker run -e POSTGRES_PASSWORD=x postgres",
        'pg_dump --dbname "$(cat /run/secrets/database_url)"',
    ],
)
def test_the_patterns_find(bad: str) -> None:
    """Each of these was found somewhere, or is what somebody might write next."""
    assert [what for what, pattern in PATTERNS.items() if re.search(pattern, bad, re.MULTILINE)]


def test_no_program_is_started_with_a_secret() -> None:
    """Nothing that is revealed is in a call that starts a process, neither as an argument nor as its environment."""
    starters = re.compile(r"Popen|create_subprocess_\w+|exec[lv]\w*|posix_spawn\w*|check_output|check_call")
    found = []
    calls = 0
    for path in CODE:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            is_run = name == "run" and getattr(getattr(node.func, "value", None), "id", "") == "subprocess"
            if starters.fullmatch(name) or is_run:
                calls += 1
                inner = {getattr(n, "attr", "") for n in ast.walk(node)} | {
                    getattr(n, "id", "") for n in ast.walk(node)
                }
                found += [f"{path.name}:{node.lineno}"] if inner & {"reveal", "password", "passphrase"} else []

    assert calls > 5
    assert found == []
