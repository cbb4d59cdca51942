"""`muniment message`: one message and every folder it is or was archived in."""

from __future__ import annotations

import click

from muniment.cli.kit.connect import call_with_database_only
from muniment.cli.kit.output import (
    Column,
    folder_text,
    local_minute,
    local_time,
    number,
    print_facts,
    print_json,
    print_table,
    print_warnings,
    rigid,
    size,
)
from muniment.model.place import Place
from muniment.model.text_problem import TextProblem
from muniment.services.access.principal import Principal
from muniment.services.indexing.show_index import message_problems
from muniment.services.reading.show_message import show_message
from muniment.services.resources import Resources
from muniment.shapes.messages import message_shape


@click.command("message")
@click.argument("sha256", metavar="SHA256")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def message(sha256: str, as_json: bool) -> None:
    """Show the message with this SHA-256 and every folder it is or was in.

    `muniment search --json` and the manifest of an export list the SHA-256 of messages.
    """
    found, problems = call_with_database_only(_look_up, sha256)
    if as_json:
        print_json(message_shape(sha256, found, problems))
        return
    first = found[0]
    print_facts(
        [
            ("message", sha256),
            ("subject", first.subject),
            ("from", first.sender),
            ("date", local_time(first.date)),
            ("size", size(first.size)),
            *(("search lacks" if number == 0 else "", _in_words(one)) for number, one in enumerate(problems)),
        ]
    )
    columns = [Column("user"), Column("folder"), rigid("archived"), rigid("left the server"), Column("now")]
    print_table(columns, [_row(place) for place in found])
    print_warnings(_warnings(found))


def _warnings(found: list[Place]) -> list[str]:
    """Return what the message may not be, each warning once."""
    warnings = [
        f"the server delivered this in place of another message: {place.substitute}"
        for place in found
        if place.substitute
    ]
    warnings += [
        f"the server announced {number(place.announced)} bytes in {folder_text((place.address, *place.path))}"
        for place in found
        if place.announced is not None
    ]
    return list(dict.fromkeys(warnings))


async def _look_up(principal: Principal, resources: Resources, sha256: str) -> tuple[list[Place], list[TextProblem]]:
    found = await show_message(principal, resources, sha256)
    return found, await message_problems(principal, resources, sha256)


def _in_words(problem: TextProblem) -> str:
    return f"{problem.words} (part {problem.part})" if problem.part else problem.words


def _row(place: Place) -> tuple[str, ...]:
    now = "moved" if place.former else "here"
    if place.deleted is not None:
        now += ", deleted by the profile's rule"
    folder = folder_text((place.address, *place.path))
    return place.user_name, folder, local_minute(place.archived), local_minute(place.gone), now
