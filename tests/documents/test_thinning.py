"""Thinning: the versions that stay are the same documents as before, and go on merging with those of other devices."""

from __future__ import annotations

import random

import pytest
from effort import many

from yp2p.documents.diff import hunks
from yp2p.documents.history import Row, blame
from yp2p.documents.manifest import Manifest
from yp2p.documents.registers import Change
from yp2p.documents.text import TextReplica
from yp2p.documents.thinning import joined
from yp2p.documents.undo import undone
from yp2p.identity import EntryID
from yp2p.protocol.ysync import Shape

LINES = ["plain line\n", "é and 漢字\n", "😀😀 astral\n", "short\n"]


def _rewrite(rng: random.Random, text: str, number: int) -> str:
    lines = text.splitlines(keepends=True)
    for _ in range(rng.randint(1, 4)):
        line = f"{number} {rng.choice(LINES)}"
        at = rng.randint(0, len(lines))
        kind = rng.random()
        if kind < 0.5 or not lines:
            lines.insert(at, line)
        elif kind < 0.8:
            lines[at % len(lines)] = line
        else:
            del lines[at % len(lines)]
    return "".join(lines)


def _log(rng: random.Random, count: int) -> tuple[list[tuple[int, bytes]], list[str], TextReplica]:
    """A log with rows of three devices, some of them concurrent, with the text after each."""
    whole = TextReplica(99)
    rows, texts, behind = [], [], {client: TextReplica(client) for client in (1, 2, 3)}
    for number in range(count):
        client = rng.choice([1, 2, 3])
        replica = behind[client]
        if rng.random() < 0.7:
            replica.apply(whole.state())
        update = replica.edit(hunks(replica.text(), _rewrite(rng, replica.text(), number)))
        if update is not None:
            whole.apply(update)
            rows.append((10 * number, update))
            texts.append(whole.text())
    return rows, texts, whole


@pytest.mark.parametrize("seed", range(many(20)))
def test_the_versions_that_stay_are_what_they_were(seed: int) -> None:
    rng = random.Random(seed)
    rows, texts, whole = _log(rng, 80)
    text_of = dict(zip([seq for seq, _ in rows], texts, strict=True))
    ends = {seq for seq, _ in rows if rng.random() < 0.2}
    found = joined(rows, ends, Shape.TEXT)
    assert [seq for seq, _ in found] == sorted(ends | {rows[-1][0]})
    again = TextReplica(98)
    for seq, update in found:
        again.load([update])
        assert again.text() == text_of[seq]
    assert again.version() == whole.version()
    assert joined(found, {seq for seq, _ in found}, Shape.TEXT) == found  # what stands alone stays as it is


@pytest.mark.parametrize("seed", range(many(10)))
def test_a_thinned_device_goes_on_merging_with_one_that_is_not(seed: int) -> None:
    rng = random.Random(seed)
    rows, _, whole = _log(rng, 60)
    found = joined(rows, {rows[len(rows) // 2][0]}, Shape.TEXT)
    thinned = TextReplica.from_updates(7, [update for _, update in found])
    untouched = whole.fork(8)
    for number in range(30):
        for one, other in ((thinned, untouched), (untouched, thinned)):
            one.edit(hunks(one.text(), _rewrite(rng, one.text(), 1000 + number)))
            if rng.random() < 0.6:
                other.receive(one.update_since(other.state_vector()))
    thinned.receive(untouched.update_since(thinned.state_vector()))
    untouched.receive(thinned.update_since(untouched.state_vector()))
    assert thinned.text() == untouched.text()
    assert thinned.version() == untouched.version()


@pytest.mark.parametrize("seed", range(many(10)))
def test_what_came_after_the_thinned_rows_can_be_undone(seed: int) -> None:
    rng = random.Random(seed)
    rows, texts, _ = _log(rng, 40)
    found = joined(rows[:30], set(), Shape.TEXT)
    log = [update for _, update in [*found, *rows[30:]]]
    change = [update for _, update in rows[30:]]
    update = undone(log, change, 77)
    assert update is not None
    assert TextReplica.from_updates(5, [*log, update]).text() == texts[29]


def test_who_wrote_a_line_is_known_after_thinning() -> None:
    rows, texts, _ = _log(random.Random(4), 60)
    found = joined(rows, {rows[20][0]}, Shape.TEXT)
    name = {1: "laptop", 2: "desktop", 3: "pi"}.get
    before = blame([Row(seq, 0, "?", update) for seq, update in rows], texts[-1], name)
    after = blame([Row(seq, 0, "?", update) for seq, update in found], texts[-1], name)
    assert [line.text for line in after] == [line.text for line in before]
    # A line that several wrote has the one that touched it last, and within a joined row nobody was last.
    alike = sum(one.author == two.author for one, two in zip(before, after, strict=True))
    assert alike >= 0.8 * len(before)


def test_what_was_written_and_removed_in_between_costs_little() -> None:
    replica = TextReplica(1)
    rows = []
    for number in range(100):
        text = "".join(f"{number} {line} {random.Random(number).random()}\n" for line in range(300))
        update = replica.edit(hunks(replica.text(), text))
        assert update is not None
        rows.append((number, update))
    found = joined(rows, {49}, Shape.TEXT)
    size = len(replica.text())
    assert sum(len(update) for _, update in rows) > 80 * size
    assert sum(len(update) for _, update in found) < 2.3 * size


def test_registers_of_a_manifest_are_thinned_as_well() -> None:
    manifest = Manifest(1)
    entry = EntryID(bytes(15) + b"\x40")
    written = [manifest.write([Change(entry, path=f"{'long' * 20}{name}")]) for name in range(50)]
    rows = [(number, update) for number, updates in enumerate(written, 1) for update in updates.values()]
    found = joined(rows, {25}, Shape.MANIFEST)
    assert [seq for seq, _ in found] == [25, 50]
    assert sum(len(update) for _, update in found) < 400
    assert joined([], set(), Shape.MANIFEST) == []
