"""A program that reads and saves while others' changes are put in place several times a second: its save is a change
of exactly what it had read, however often the file was rendered since."""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path

from bridge import arrive, open_bridge, run_with_directory
from effort import many

from yp2p.threeway.merge import merge

NAME = "notes.md"
TEXT = "".join(f"first line number {number} here\n" for number in range(6))


class Words:
    """Texts with lines that are nowhere else."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.known: list[str] = []

    def added(self, text: str) -> str:
        lines = text.splitlines(keepends=True)
        self.known.append(f"<{len(self.known)}>")
        lines.insert(self.rng.randint(0, len(lines)), f"{self.known[-1]} {self.rng.choice('é漢·')}\n")
        return "".join(lines)


def _save(place: Path, text: str, *, in_place: bool) -> None:
    if in_place:
        place.write_text(text)
        return
    beside = place.with_name(".new~")
    beside.write_text(text)
    beside.rename(place)


async def _run(base: Path, seed: int) -> None:
    place = base / "dir" / NAME
    place.write_text(TEXT)
    words = Words(seed)
    async with open_bridge(base) as bridge:
        for number in range(10):
            read = place.read_text()
            if words.rng.random() < 0.5:  # else what was read is told with what happens later
                await bridge.ingest.readers.last_opened.take_pending()
            for _ in range(words.rng.choice((0, 1, 2, 3, 12))):
                await arrive(bridge, NAME, words.added(bridge.document(NAME).text.text()))
            saved = words.added(read)
            wanted = merge(NAME, read, bridge.document(NAME).text.text(), saved).text
            _save(place, saved, in_place=number % 2 == 1)
            await bridge.render()
            assert place.read_text() == bridge.document(NAME).text.text() == wanted, (seed, number)
            assert [word for word in words.known if wanted.count(word) != 1] == [], (seed, number)


def test_a_save_is_a_change_of_what_was_read_however_often_it_was_rendered_since() -> None:
    for seed in range(many(10)):
        run_with_directory(partial(_run, seed=seed), in_memory=True)
