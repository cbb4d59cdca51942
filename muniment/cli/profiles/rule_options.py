"""Options for a profile's rules: filter, schedule, deletion on the server, and multidrop distribution."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import click
from tzlocal import get_localzone_name

from muniment.cli.kit.names import Name
from muniment.errors import Misconfigured
from muniment.model.deletion_rule import ACCEPTED, AT_ONCE, NEVER, DeletionRule
from muniment.model.mail_filter import MailFilter, ReadState
from muniment.model.multidrop import USUAL_MULTIDROP, Multidrop, Unknown
from muniment.model.schedule import Schedule

_F = TypeVar("_F", bound=Callable[..., Any])
_T = TypeVar("_T")
_SIZE = re.compile(r"(\d{1,15}) ?([kmg]?)b?", re.IGNORECASE)
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


class _Size(click.ParamType[int]):
    name = "size"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> int:
        match = _SIZE.fullmatch(value.strip())
        if match is None:
            self.fail(f"{value!r} is not a size: specify bytes, or use a suffix as in 500K, 10M or 1G.", param, ctx)
        return int(match[1]) * _UNITS[match[2].lower()]


@dataclass(frozen=True)
class RuleOptions:
    """What `rule_options` brings."""

    older_than: str
    newer_than: str
    since: datetime | None
    before: datetime | None
    read: str
    larger_than: int | None
    smaller_than: int | None
    sender: tuple[str, ...]
    recipient: tuple[str, ...]
    subject: tuple[str, ...]
    schedule: str
    time_zone: str | None
    window: tuple[str, ...]
    delete: str
    delete_flagged: bool
    delete_without_uidplus: str


_PATTERN = (
    "`text` (case-insensitive), `||regex`, `|i|regex` (case-insensitive), or `!` and one of these to exclude messages. "
    "Repeatable: a message must match at least one."
)

_FILTER = [
    click.option(
        "--older-than",
        metavar="PERIOD",
        default="",
        help="Only messages received longer ago than PERIOD, e.g. 2 years.",
    ),
    click.option(
        "--newer-than",
        metavar="PERIOD",
        default="",
        help="Only messages received within the last PERIOD, e.g. 30 days.",
    ),
    click.option(
        "--since",
        type=click.DateTime(["%Y-%m-%d"]),
        metavar="DAY",
        help="Only messages received on this day (UTC) or later.",
    ),
    click.option(
        "--before",
        type=click.DateTime(["%Y-%m-%d"]),
        metavar="DAY",
        help="Only messages received before this day (UTC).",
    ),
    click.option(
        "--read",
        type=click.Choice([state.value for state in ReadState]),
        default=ReadState.ANY.value,
        show_default=True,
        help="Only messages that are read or unread on the server.",
    ),
    click.option("--larger-than", type=_Size(), help="Only messages larger than SIZE: bytes, or with K, M or G (10M)."),
    click.option("--smaller-than", type=_Size(), help="Only messages smaller than SIZE."),
    click.option(
        "--sender", multiple=True, metavar="PATTERN", help=f"Only messages whose sender matches PATTERN: {_PATTERN}"
    ),
    click.option(
        "--recipient",
        multiple=True,
        metavar="PATTERN",
        help="Only messages with a matching recipient (To, Cc, Bcc). PATTERN as for --sender.",
    ),
    click.option(
        "--subject",
        multiple=True,
        metavar="PATTERN",
        help="Only messages with a matching subject. PATTERN as for --sender.",
    ),
]

_SCHEDULE = [
    click.option(
        "--schedule",
        metavar="WHEN",
        default="",
        help="When to run automatically: `once 2026-12-01 22:00`, `every 15 minutes`, `daily 22:00`, `weekly mon,thu "
        "22:00`, `monthly 1 22:00`, `monthly last 22:00` or `cron 0 22 * * 1-5`. Default: only with `profile run`.",
    ),
    click.option(
        "--time-zone",
        metavar="ZONE",
        help="Time zone of --schedule and --window, e.g. Europe/Berlin. Default: the zone of this machine.",
    ),
    click.option(
        "--window",
        multiple=True,
        metavar="TIMES",
        help="Time window for runs, e.g. `20:00-06:00` or `sat-sun 00:00-24:00`. Outside the windows, runs are paused. "
        "Repeatable.",
    ),
]

_DELETION = [
    click.option(
        "--delete",
        metavar="WHEN",
        default=NEVER,
        show_default=True,
        help="Delete archived messages on the mail server: `at once`, or a period after the server received them, such as "
        "`3 months`. `profile run --what-if` shows what would be deleted.",
    ),
    click.option("--delete-flagged", is_flag=True, help="Also delete flagged messages."),
    click.option(
        "--delete-without-uidplus",
        metavar="WORDS",
        default="",
        help="Allow deletion on servers without UIDPLUS. There, EXPUNGE removes every message marked as deleted, including "
        f"those marked by other clients. To confirm, specify '{ACCEPTED}'.",
    ),
]

_MULTIDROP = [
    click.option(
        "--recipient-header",
        multiple=True,
        metavar="NAME",
        help="multidrop: header field trusted to name the recipients, instead of the default fields (envelope headers, To, "
        "Cc, Bcc). `Received` means its `for` clause. Repeatable.",
    ),
    click.option(
        "--sender-header",
        multiple=True,
        metavar="NAME",
        help="multidrop: header field trusted to name the sender, instead of the default fields. Repeatable.",
    ),
    click.option("--no-journal", is_flag=True, help="multidrop: do not unwrap Microsoft Exchange journal reports."),
    click.option(
        "--inbox",
        metavar="FOLDER",
        default=USUAL_MULTIDROP.inbox,
        show_default=True,
        help="multidrop: folder for messages that a user received; case-sensitive.",
    ),
    click.option(
        "--sent",
        metavar="FOLDER",
        default=USUAL_MULTIDROP.sent,
        show_default=True,
        help="multidrop: folder for messages that a user sent; case-sensitive.",
    ),
    click.option(
        "--unknown",
        type=click.Choice([unknown.value for unknown in Unknown]),
        default=USUAL_MULTIDROP.unknown.value,
        show_default=True,
        help="multidrop: archive messages that match no known user for the --catch-all user, or leave them on the server.",
    ),
    click.option(
        "--catch-all",
        type=Name(),
        metavar="USER",
        default=USUAL_MULTIDROP.catch_all,
        show_default=True,
        help="multidrop: user who receives the messages that match no known user.",
    ),
    click.option(
        "--catch-all-folder",
        metavar="FOLDER",
        default=USUAL_MULTIDROP.catch_all_folder,
        show_default=True,
        help="multidrop: folder of the --catch-all user for these messages.",
    ),
]


@dataclass(frozen=True)
class MultidropOptions:
    """What `multidrop_options` brings."""

    recipient_header: tuple[str, ...]
    sender_header: tuple[str, ...]
    no_journal: bool
    inbox: str
    sent: str
    unknown: str
    catch_all: str
    catch_all_folder: str


def rule_options(command: _F) -> _F:
    """Add the options for filter, schedule and deletion."""
    for option in reversed([*_FILTER, *_SCHEDULE, *_DELETION]):
        command = option(command)
    return command


def multidrop_options(command: _F) -> _F:
    """Add the options of multidrop profiles."""
    for option in reversed(_MULTIDROP):
        command = option(command)
    return command


def filter_from(given: RuleOptions) -> MailFilter:
    """Return the filter; UsageError if an option is invalid."""
    return _checked(
        lambda: MailFilter(
            older_than=given.older_than,
            newer_than=given.newer_than,
            since=given.since.date() if given.since else None,
            before=given.before.date() if given.before else None,
            read=ReadState(given.read),
            larger_than=given.larger_than,
            smaller_than=given.smaller_than,
            sender=given.sender,
            recipient=given.recipient,
            subject=given.subject,
        )
    )


def schedule_from(given: RuleOptions) -> Schedule:
    """Return the schedule, by default in this machine's time zone; UsageError if an option is invalid."""
    if not given.schedule and not given.window:
        if given.time_zone:
            raise click.UsageError("--time-zone requires --schedule or --window.")
        return Schedule()
    zone = given.time_zone or get_localzone_name() or "UTC"
    return _checked(lambda: Schedule(run=given.schedule, zone=zone, windows=given.window))


def deletion_from(given: RuleOptions) -> DeletionRule:
    """Return the deletion rule; UsageError if an option is invalid."""
    if given.delete == NEVER and (given.delete_flagged or given.delete_without_uidplus):
        raise click.UsageError("--delete-flagged and --delete-without-uidplus require --delete.")
    return _checked(
        lambda: DeletionRule(
            after=given.delete.lower().replace("at-once", AT_ONCE),
            flagged=given.delete_flagged,
            without_uidplus=given.delete_without_uidplus,
        )
    )


def multidrop_from(given: MultidropOptions) -> Multidrop:
    """Return the distribution rule of a multidrop mailbox; UsageError if an option is invalid."""
    return _checked(
        lambda: Multidrop(
            recipients=given.recipient_header or USUAL_MULTIDROP.recipients,
            senders=given.sender_header or USUAL_MULTIDROP.senders,
            journal=not given.no_journal,
            inbox=given.inbox,
            sent=given.sent,
            unknown=Unknown(given.unknown),
            catch_all=given.catch_all,
            catch_all_folder=given.catch_all_folder,
        )
    )


def _checked(make: Callable[[], _T]) -> _T:
    try:
        return make()
    except Misconfigured as error:
        raise click.UsageError(f"{error}. {error.hint or ''}".strip()) from error
