"""How pytest-xdist distributes the tests: by module, but long modules test by test."""

from __future__ import annotations

from typing import Any

import pytest

#: Modules with slow tests and no module-scoped fixtures.
SPLIT = frozenset(
    f"tests/{module}.py"
    for module in (
        "acceptance/test_bench",
        "acceptance/test_chaos",
        "acceptance/test_demo",
        "acceptance/test_governor",
        "acceptance/test_kill",
        "acceptance/test_processes",
        "integration/archive/test_hostile_servers",
        "integration/archive/test_large_mailboxes",
        "integration/attachments/test_barriers",
    )
)


def scheduler(config: pytest.Config, log: Any) -> Any:
    """Return a scheduler that assigns whole modules to processes, so that module-scoped fixtures are created once.

    (`--dist loadgroup` of pytest-xdist 3.8 does not see the marks of pytest 9.2.)
    """
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415 - there may be none, then nobody calls this

    class Spreading(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            module = nodeid.partition("::")[0]
            return nodeid if module in SPLIT else module

    config.option.loadscopereorder = False  # in the order of the folders, which puts the longest tests first
    return Spreading(config, log)
