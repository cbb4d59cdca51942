"""How pytest-xdist spreads the tests over its processes: module by module, long modules test by test."""

from __future__ import annotations

from typing import Any

import pytest

#: Modules whose tests take long and share no fixture of the module.
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
    )
)


def scheduler(config: pytest.Config, log: Any) -> Any:
    """Return what gives each process a module at a time, so that what the module's tests share is made once.

    (`--dist loadgroup` of pytest-xdist 3.8 does not see the marks of pytest 9.2.)
    """
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415 - there may be none, then nobody calls this

    class Spreading(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            module = nodeid.partition("::")[0]
            return nodeid if module in SPLIT else module

    config.option.loadscopereorder = False  # in the order of the folders: the longest tests come first
    return Spreading(config, log)
