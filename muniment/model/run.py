"""Runs and jobs: one execution of a profile, one mailbox within it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from muniment.model.login import OwnLogin


class RunState(StrEnum):
    """How a run stands; `failed` as soon as one mailbox failed."""

    RUNNING = "running"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing will change any more."""
        return self not in {RunState.RUNNING, RunState.CANCELLING}


class JobState(StrEnum):
    """How a job stands: waiting → sent (to the broker) → running (leased) → an end, or waiting again."""

    WAITING = "waiting"
    SENT = "sent"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Lease:
    """The right to archive one mailbox, until `fence` is overtaken."""

    job_id: int
    fence: int


@dataclass(frozen=True)
class LeasedJob:
    """What a worker needs to know to run one slice of a job.

    `source` and `fingerprint`: whose UIDs the archive holds of the mailbox, and which one the server opened, the last
    time that a job of it ended well; None when that was not looked at.
    """

    lease: Lease
    run_id: int
    run_started: datetime
    profile_id: int | None  # None: the profile was removed meanwhile
    mailbox_id: int
    address: str
    user_name: str
    source: str | None
    fingerprint: bytes | None
    is_named: bool  # by the profile, as one of its mailboxes
    own_login: OwnLogin | None
    attempt: int  # failures in a row without progress
    broke_folder: int | None  # the folder at which the connection broke the last time
    breaks: int  # messages and folders given up because it broke there at each try


@dataclass(frozen=True)
class MailboxCounts:
    """Mailboxes of a run by state."""

    total: int
    done: int
    failed: int
    running: int
    queued: int
    cancelled: int


@dataclass(frozen=True)
class MessageCounts:
    """Messages of a run: seen = archived (new entries) + known + quarantined; `filtered` were left out by a filter.

    `deleted`: archived messages, of this run or earlier ones, that a rule took from the server.
    """

    seen: int
    archived: int
    known: int
    quarantined: int
    filtered: int = 0
    deleted: int = 0


@dataclass(frozen=True)
class Failure:
    """A mailbox that failed, why, and what to do."""

    mailbox: str
    error: str
    hint: str


@dataclass(frozen=True)
class Notice:
    """A mailbox with warnings, or one that waits for another try after `error`."""

    mailbox: str
    warnings: list[str]
    error: str


@dataclass(frozen=True)
class Run:
    """A run with its counts."""

    id: int
    profile: str
    state: RunState
    started: datetime
    finished: datetime | None
    mailboxes: MailboxCounts
    messages: MessageCounts
    bytes: int
    warnings: list[str]
    scheduled: bool = False  # started by the profile's schedule
    paused_until: datetime | None = None  # no window of the profile is open before
