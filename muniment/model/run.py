"""Runs (executions of a profile) and jobs (one mailbox of a run)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from muniment.model.login import OwnLogin


class RunState(StrEnum):
    """The state of a run.

    It ends as `failed` if at least one mailbox failed, and as `incomplete` if none did but messages are missing: they
    are in quarantine, or the server counts them and does not list them.
    """

    RUNNING = "running"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    INCOMPLETE = "incomplete"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether the run has ended."""
        return self not in {RunState.RUNNING, RunState.CANCELLING}


class JobState(StrEnum):
    """The state of a job: waiting → sent (to the broker) → running (leased) → a final state, or waiting again."""

    WAITING = "waiting"
    SENT = "sent"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Lease:
    """The right to archive one mailbox, until a lease with a higher `fence` is granted."""

    job_id: int
    fence: int


@dataclass(frozen=True)
class LeasedJob:
    """What a worker needs to know to run one slice of a job.

    `source` and `fingerprint` are those of the mailbox's last successful job: the source of the UIDs in the archive,
    and the identity of the mailbox that the server opened. They are None if not recorded.
    """

    lease: Lease
    run_id: int
    run_started: datetime
    profile_id: int | None  # None: the profile was removed in the meantime
    mailbox_id: int
    address: str
    user_name: str
    source: str | None
    fingerprint: bytes | None
    is_named: bool  # the profile lists the mailbox explicitly
    own_login: OwnLogin | None
    attempt: int  # consecutive failures without progress
    broke_folder: int | None  # the folder in which the connection broke last time
    breaks: int  # messages and folders given up because the connection broke there on every attempt


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
    """Messages of a run: seen = archived (new entries) + known (recognised by content) + quarantined.

    `filtered`: excluded by the filter. `deleted`: messages archived in this or earlier runs that a rule deleted on the
    server. `held`: what the mailboxes hold whose jobs are done; None if there is none.
    """

    seen: int
    archived: int
    known: int
    quarantined: int
    filtered: int = 0
    deleted: int = 0
    held: HeldCounts | None = None


@dataclass(frozen=True)
class HeldCounts:
    """Messages on the server when jobs were done: proven to be archived, or not.

    `missing`: in quarantine, or counted by the server and not listed. `accepted`: missing with an administrator's
    consent. `left_out`: by the filter, or because nobody owns them.
    """

    on_server: int
    missing: int = 0
    accepted: int = 0
    left_out: int = 0

    @property
    def proven(self) -> int:
        """How many are archived, as the comparison of UIDs showed."""
        return max(0, self.on_server - self.missing - self.accepted - self.left_out)


@dataclass(frozen=True)
class MailboxResult:
    """What a run did with one mailbox. `counts` as in `MessageCounts`; `bytes` were archived."""

    mailbox: str
    state: JobState
    counts: MessageCounts
    bytes: int
    odd_sizes: int = 0
    substitutes: int = 0


@dataclass(frozen=True)
class Failure:
    """A mailbox that failed, with the reason and a hint."""

    mailbox: str
    error: str
    hint: str


@dataclass(frozen=True)
class Notice:
    """A mailbox with warnings, or one that will be retried after `error`."""

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
    paused_until: datetime | None = None  # when the profile's next time window opens
