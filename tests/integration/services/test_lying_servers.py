"""Servers that lie about numbers, in random order: at the end of each day, everything is archived all the same."""

from __future__ import annotations

import os
from random import Random

import pytest

from muniment.mailserver.memory_mailbox import MemoryFolder, MemoryMail
from muniment.model.run import RunState
from tests.support.memory_mail import ANNA, MemoryWorld, contents, message

_SEEDS = range(int(os.environ.get("LIES", "4")))
_DAYS, _STEPS = 3, 12
_FLAGS = ("\\Seen", "\\Flagged", "\\Answered", "$Label", "\\Recent")

_HELD = """
SELECT path[1], uid, array_agg(flag ORDER BY flag) FILTER (WHERE flag IS NOT NULL)
FROM entries JOIN folders ON folders.id = folder_id LEFT JOIN LATERAL unnest(flags) AS flag ON true
WHERE entries.uidvalidity = folders.uidvalidity AND gone IS NULL GROUP BY path, uid
"""


class _Liar:
    """One mailbox; each step changes it, or what the server says of it."""

    def __init__(self, rng: Random, mailbox: dict[str, MemoryFolder]) -> None:
        self._rng = rng
        self._mailbox = mailbox
        self._number = 0

    def step(self) -> None:
        """Do one of the things that mail servers and their users do."""
        folder = self._rng.choice(list(self._mailbox.values()))
        deeds = [self._deliver, self._deliver, self._mark, self._expunge, self._freeze, self._fall_behind, self._thaw]
        self._rng.choice(deeds)(folder)

    def _deliver(self, folder: MemoryFolder) -> None:
        self._number += 1
        folder.deliver(MemoryMail(message(f"lie {self._number}"), self._some_flags()))

    def _mark(self, folder: MemoryFolder) -> None:
        if folder.messages:
            folder.mark(self._rng.choice(list(folder.messages)), *self._some_flags())

    def _expunge(self, folder: MemoryFolder) -> None:
        if folder.messages:
            del folder.messages[self._rng.choice(list(folder.messages))]

    def _freeze(self, folder: MemoryFolder) -> None:
        folder.frozen = folder.status

    def _fall_behind(self, folder: MemoryFolder) -> None:
        folder.indexed = frozenset(folder.messages)

    def _thaw(self, folder: MemoryFolder) -> None:
        folder.frozen = folder.indexed = None

    def _some_flags(self) -> tuple[str, ...]:
        return tuple(self._rng.sample(_FLAGS, self._rng.randint(0, 3)))


@pytest.mark.parametrize("seed", _SEEDS)
async def test_every_day_ends_well(world: MemoryWorld, seed: int) -> None:
    """Frozen STATUS, SEARCH from an old index, with and without mod-sequences: mail and flags arrive in a day."""
    rng = Random(seed)
    mailbox = world.mail.mailboxes[ANNA]
    for folder in mailbox.values():
        folder.highestmodseq = rng.choice([None, 1])
    world = world.with_settings(slice_seconds=rng.choice([0.000001, 60.0]))
    liar, profile = _Liar(rng, mailbox), await world.submit()
    everything = contents(mailbox)
    for _ in range(_DAYS):
        for _ in range(_STEPS):
            liar.step()
            if rng.random() < 0.3:
                await world.harness.archive(profile)
        await world.harness.let_pass(24)
        report = await world.harness.archive(profile)
        everything = contents(mailbox)

        assert report.run.state == RunState.SUCCEEDED
        there = {
            (name.partition("/")[0], uid, tuple(sorted({flag for flag in mail.flags if flag != "\\Recent"})))
            for name, folder in mailbox.items()
            for uid, mail in folder.messages.items()
        }
        held = await _held(world)
        assert there <= held
        assert {place[:2] for place in held - there} <= _still_listed(mailbox)
    exported = await world.exported()
    assert all(everything[path] <= exported[path] for path in everything)


def _still_listed(mailbox: dict[str, MemoryFolder]) -> set[tuple[str, int]]:
    """Return what left the server and is still found by its SEARCH."""
    return {
        (name.partition("/")[0], uid)
        for name, folder in mailbox.items()
        for uid in (folder.indexed or frozenset()) - folder.messages.keys()
    }


async def _held(world: MemoryWorld) -> set[tuple[str, int, tuple[str, ...]]]:
    """Return folder, UID and flags of what the archive holds of the messages on the server."""
    async with world.harness.database.transaction() as session:
        rows = await session.values(f"SELECT (path, uid, flags) FROM ({_HELD}) AS held (path, uid, flags)")  # noqa: S608
    return {(path, uid, tuple(flags or ())) for path, uid, flags in rows}
