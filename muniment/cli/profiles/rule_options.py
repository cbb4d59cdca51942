"""Options for a profile's rules: filter, schedule, deletion on the server, and multidrop distribution."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from operator import not_
from typing import Any

import click
from tzlocal import get_localzone_name

from muniment.cli.kit.names import Name
from muniment.cli.profiles.fields import sets
from muniment.model.deletion_rule import ACCEPTED, AT_ONCE, NEVER
from muniment.model.mail_filter import ReadState
from muniment.model.multidrop import Unknown

_SIZE = re.compile(r"(\d{1,15}) ?([kmg]?)b?", re.IGNORECASE)
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


class _Size(click.ParamType[int]):
    name = "size"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> int:
        match = _SIZE.fullmatch(value.strip())
        if match is None:
            self.fail(f"{value!r} is not a size: specify bytes, or use a suffix as in 500K, 10M or 1G.", param, ctx)
        return int(match[1]) * _UNITS[match[2].lower()]


def _day(moment: datetime) -> date:
    return moment.date()


_PATTERN = (
    "`text` (case-insensitive), `||regex`, `|i|regex` (case-insensitive), or `!` and one of these to exclude messages. "
    "Repeatable: a message must match at least one."
)

_FILTER = [
    sets(
        "filter.older_than",
        "--older-than",
        metavar="PERIOD",
        help="Only messages received longer ago than PERIOD, e.g. 2 years.",
    ),
    sets(
        "filter.newer_than",
        "--newer-than",
        metavar="PERIOD",
        help="Only messages received within the last PERIOD, e.g. 30 days.",
    ),
    sets(
        "filter.since",
        "--since",
        value=_day,
        type=click.DateTime(["%Y-%m-%d"]),
        metavar="DAY",
        help="Only messages received on this day (UTC) or later.",
    ),
    sets(
        "filter.before",
        "--before",
        value=_day,
        type=click.DateTime(["%Y-%m-%d"]),
        metavar="DAY",
        help="Only messages received before this day (UTC).",
    ),
    sets(
        "filter.read",
        "--read",
        type=click.Choice([state.value for state in ReadState]),
        show_default=True,
        help="Only messages that are read or unread on the server.",
    ),
    sets(
        "filter.larger_than",
        "--larger-than",
        type=_Size(),
        help="Only messages larger than SIZE: bytes, or with K, M or G (10M).",
    ),
    sets("filter.smaller_than", "--smaller-than", type=_Size(), help="Only messages smaller than SIZE."),
    sets(
        "filter.sender",
        "--sender",
        multiple=True,
        metavar="PATTERN",
        help=f"Only messages whose sender matches PATTERN: {_PATTERN}",
    ),
    sets(
        "filter.recipient",
        "--recipient",
        multiple=True,
        metavar="PATTERN",
        help="Only messages with a matching recipient (To, Cc, Bcc). PATTERN as for --sender.",
    ),
    sets(
        "filter.subject",
        "--subject",
        multiple=True,
        metavar="PATTERN",
        help="Only messages with a matching subject. PATTERN as for --sender.",
    ),
]

_SCHEDULE = [
    sets(
        "schedule.run",
        "--schedule",
        metavar="WHEN",
        help="When to run automatically: `once 2026-12-01 22:00`, `every 15 minutes`, `daily 22:00`, `weekly mon,thu "
        "22:00`, `monthly 1 22:00`, `monthly last 22:00` or `cron 0 22 * * 1-5`. Default: only with `profile run`.",
    ),
    sets(
        "schedule.zone",
        "--time-zone",
        metavar="ZONE",
        help="Time zone of --schedule and --window, e.g. Europe/Berlin. Default: the zone of this machine.",
    ),
    sets(
        "schedule.windows",
        "--window",
        multiple=True,
        metavar="TIMES",
        help="Time window for runs, e.g. `20:00-06:00` or `sat-sun 00:00-24:00`. Outside the windows, runs are paused. "
        "Repeatable.",
    ),
]

_DELETION = [
    sets(
        "deletion.after",
        "--delete",
        value=lambda text: text.lower().replace("at-once", AT_ONCE),
        metavar="WHEN",
        show_default=True,
        help="Delete archived messages on the mail server: `at once`, or a period after the server received them, "
        "such as `3 months`. `profile run --what-if` shows what would be deleted.",
    ),
    sets("deletion.flagged", "--delete-flagged", is_flag=True, help="Also delete flagged messages."),
    sets(
        "deletion.without_uidplus",
        "--delete-without-uidplus",
        metavar="WORDS",
        help="Allow deletion on servers without UIDPLUS. There, EXPUNGE removes every message marked as "
        "deleted, including "
        f"those marked by other clients. To confirm, specify '{ACCEPTED}'.",
    ),
    sets(
        "deletion.despite_size",
        "--delete-despite-size",
        is_flag=True,
        help="Also delete messages of which the server delivered another number of bytes than it announced, unless "
        "they are obviously cut. `deletions --kept` lists them; look at some of them first.",
    ),
]

MULTIDROP = [
    sets(
        "multidrop.recipients",
        "--recipient-header",
        multiple=True,
        metavar="NAME",
        help="multidrop: header field trusted to name the recipients, instead of the default fields (envelope "
        "headers, To, Cc, Bcc). `Received` means its `for` clause. Repeatable.",
    ),
    sets(
        "multidrop.senders",
        "--sender-header",
        multiple=True,
        metavar="NAME",
        help="multidrop: header field trusted to name the sender, instead of the default fields. Repeatable.",
    ),
    sets(
        "multidrop.journal",
        "--no-journal",
        value=not_,
        is_flag=True,
        help="multidrop: do not unwrap Microsoft Exchange journal reports.",
    ),
    sets(
        "multidrop.inbox",
        "--inbox",
        metavar="FOLDER",
        show_default=True,
        help="multidrop: folder for messages that a user received; case-sensitive.",
    ),
    sets(
        "multidrop.sent",
        "--sent",
        metavar="FOLDER",
        show_default=True,
        help="multidrop: folder for messages that a user sent; case-sensitive.",
    ),
    sets(
        "multidrop.unknown",
        "--unknown",
        type=click.Choice([unknown.value for unknown in Unknown]),
        show_default=True,
        help="multidrop: archive messages that match no known user for the --catch-all user, or leave them on "
        "the server.",
    ),
    sets(
        "multidrop.catch_all",
        "--catch-all",
        type=Name(),
        metavar="USER",
        show_default=True,
        help="multidrop: user who receives the messages that match no known user.",
    ),
    sets(
        "multidrop.catch_all_folder",
        "--catch-all-folder",
        metavar="FOLDER",
        show_default=True,
        help="multidrop: folder of the --catch-all user for these messages.",
    ),
]


#: Options of every kind of profile: filter, schedule, deletion.
RULES = [*_FILTER, *_SCHEDULE, *_DELETION]


def check_rules(given: Mapping[str, Any]) -> None:
    """Raise UsageError if the options for rules contradict each other."""
    if given["time_zone"] and not _has_schedule(given):
        raise click.UsageError("--time-zone requires --schedule or --window.")
    if given["delete"] == NEVER and (given["delete_flagged"] or given["delete_without_uidplus"]):
        raise click.UsageError("--delete-flagged and --delete-without-uidplus require --delete.")
    if given["delete"] == NEVER and given["delete_despite_size"]:
        raise click.UsageError("--delete-despite-size requires --delete.")


def rule_defaults(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return defaults that depend on other options: a schedule is in the time zone of this machine."""
    return {"schedule": {"zone": get_localzone_name() or "UTC"}} if _has_schedule(given) else {}


def _has_schedule(given: Mapping[str, Any]) -> bool:
    return bool(given["schedule"] or given["window"])
