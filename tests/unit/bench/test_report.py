"""The benchmark's table: medians of rounds, ratios within a round."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from bench import plot, report
from bench.limits import Limit
from bench.measurement import Measurement, Repeat


def measurement(peer: str, seconds: float, *, cpu: float = 2.0, again: float = 1.0) -> Measurement:
    """Return 1,000 messages of 1 MB in all, 10 mailboxes."""
    return Measurement(
        peer=peer,
        messages=1000,
        bytes=1_000_000,
        seconds=seconds,
        cpu_seconds={"worker": cpu, "database": 0.0},
        server_cpu_seconds=0.5,
        peak_bytes=10 * 1024 * 1024,
        repeat=Repeat(again, 0.1, {"LIST": 10}),
        mailboxes=10,
    )


ROUNDS = [
    [measurement("slow", 2.0), measurement("fast", 1.0, cpu=1.0, again=2.0)],
    [measurement("slow", 10.0), measurement("fast", 2.0)],
    [measurement("slow", 4.0), measurement("fast", 1.0)],
]


def test_table_shows_medians() -> None:
    """Each line shows the median round of a peer, not the mean that one disturbed round spoils."""
    lines = report.table(ROUNDS).splitlines()

    assert lines[1].split() == ["slow", "250", "0.2", "2.0", "0.5", "10", "0", "-", "10.0", "10", "0.10"]
    assert lines[2].split()[:2] == ["fast", "1,000"]


def test_ratios_are_within_rounds() -> None:
    """Speeds are compared round by round, and only then the median is taken."""
    told = report.ratios(ROUNDS)

    assert "fast against slow: archives 4.00 (2.00, 5.00, 4.00)" in told
    assert "second run 1.00 (0.50, 1.00, 1.00)" in told
    assert "CPU 1.00 (2.00, 1.00, 1.00)" in told


def test_json_holds_what_follows() -> None:
    """The file has the figures that the table shows, also those that are computed."""
    found = ROUNDS[0][0].as_json()

    assert (found["messages_per_second"], found["megabytes_per_second"], found["cpu"]) == (500.0, 0.5, 2.0)
    assert found["repeat"] == {
        "seconds": 1.0,
        "cpu_seconds": 0.1,
        "commands": {"LIST": 10},
        "mailboxes_per_second": 10.0,
    }


def test_limits_are_shared_out() -> None:
    """What is possible is named, with the part of it that each peer reaches in its median round."""
    text = report.against_limits(ROUNDS, [Limit("wire", 2000.0)])

    assert text == "wire: 2,000 messages/s; of it slow 12%, fast 50%"


def test_picture_shows_every_peer_and_limit() -> None:
    """Each peer and limit has a bar with its number, and names cannot break the picture."""
    rounds = [[one.as_json() for one in found] for found in ROUNDS]
    result = {"results": [{"workload": "small", "rounds": rounds, "once": [], "limits": {"<wire>": 4000.0}}]}

    picture = ET.fromstring(plot.bars(result))  # noqa: S314 - ours

    texts = [element.text for element in picture if element.tag.endswith("text")]
    assert texts == ["small, messages/s", "slow", "250", "fast", "1,000", "<wire>", "4,000"]
    widths = [int(element.attrib["width"]) for element in picture if element.tag.endswith("rect")]
    assert widths == sorted(widths)
