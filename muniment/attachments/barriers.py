"""The barriers around the process that reads attachments. What each one keeps out is in docs/explanation/search.md."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Barrier(StrEnum):
    """What the process gives up before it reads the first byte of a stranger's file."""

    USER = "user"  # it runs as `nobody`
    NAMESPACES = "namespaces"  # its own network, which is empty, and no memory shared with others
    CAPABILITIES = "capabilities"  # none, and none can be regained
    NO_NEW_PRIVILEGES = "no-new-privileges"
    LIMITS = "limits"  # no new file, process or descriptor; bounded memory
    LANDLOCK = "landlock"  # no path can be opened, no TCP port used, no process outside signalled
    NOT_TRACEABLE = "not-traceable"  # no core dump; other processes of the same user cannot trace it
    TIED_TO_PARENT = "tied-to-parent"  # the kernel ends it together with its worker
    SECCOMP = "seccomp"  # only the system calls that reading needs


#: `MUNIMENT_ATTACHMENT_SANDBOX=require` reads nothing without these: together they shut off files, network and
#: processes. The others are second locks on the same doors, which many containers do not offer.
REQUIRED = frozenset({Barrier.CAPABILITIES, Barrier.NO_NEW_PRIVILEGES, Barrier.LIMITS, Barrier.SECCOMP})

#: For each barrier an empty text if it is in force, otherwise why it is not.
Report = Mapping[str, str]


def in_force(report: Report) -> list[str]:
    """Return the barriers in force."""
    return [barrier.value for barrier in Barrier if not report.get(barrier, "unknown")]


def missing(report: Report) -> dict[str, str]:
    """Return the barriers that are not in force, with the reasons."""
    return {barrier.value: reason for barrier in Barrier if (reason := report.get(barrier, "unknown"))}
