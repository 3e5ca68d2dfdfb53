"""What several devices bring back apart is there once when they meet."""

from __future__ import annotations

import random
from itertools import permutations

import pytest
from effort import many

from yp2p.documents.diff import Hunk, hunks
from yp2p.documents.order import Order
from yp2p.documents.restoring import MAX_PIECES
from yp2p.documents.text import TextReplica
from yp2p.documents.undo import _undone_by_library, returned, undone
from yp2p.protocol.ysync import deleted_ranges, parse_update

LINES = [f"line {number} é😀 of some words\n" for number in range(12)]


class Device:
    """A replica and its log."""

    def __init__(self, client: int, log: list[bytes]) -> None:
        self.replica = TextReplica.from_updates(client, log)
        self.log = list(log)
        self._next_client = 100 * client

    @property
    def text(self) -> str:
        return self.replica.text()

    def save(self, text: str) -> bytes:
        return self._take(self.replica.edit(hunks(self.text, text)))

    def without(self, *gone: str) -> bytes:
        text = self.text
        for part in gone:
            text = text.replace(part, "", 1)
        return self.save(text)

    def undo(self, *change: bytes) -> bytes | None:
        self._next_client += 1
        update = undone(self.log, change, self._next_client)
        news = self.replica.apply(update) if update is not None else None
        return self._take(news) if news is not None else None

    def restore(self, then: list[bytes]) -> bytes:
        self._next_client += 1
        update = returned(self.log, then, self._next_client)
        assert update is not None
        return self._take(self.replica.apply(update))

    def _take(self, update: bytes | None) -> bytes:
        assert update is not None
        self.log.append(update)
        return update


def _devices(count: int, text: str = "".join(LINES)) -> list[Device]:
    first = TextReplica(1).edit([Hunk(0, 0, text)])
    assert first is not None
    return [Device(client, [first]) for client in range(2, 2 + count)]


def _meet(devices: list[Device]) -> None:
    for _ in range(2):
        for one, other in permutations(devices, 2):
            news = other.replica.receive(one.replica.update_since(other.replica.state_vector()))
            if news is not None:
                other.log.append(news)
    assert len({device.text for device in devices}) == 1
    assert len({device.replica.version() for device in devices}) == 1


def test_two_undo_deletions_that_overlap() -> None:
    one, other = devices = _devices(2)
    mine, theirs = one.without(*LINES[2:5]), other.without(*LINES[4:8])
    _meet(devices)
    assert one.text == "".join(LINES[:2] + LINES[8:])
    undo, other_undo = one.undo(mine), other.undo(theirs)
    assert undo is not None
    assert other_undo is not None
    _meet(devices)
    assert one.text == "".join(LINES)
    # Both redo, apart, and undo that again.
    again, other_again = one.undo(undo), other.undo(other_undo)
    assert again is not None
    assert other_again is not None
    _meet(devices)
    assert one.text == "".join(LINES[:2] + LINES[8:])
    one.undo(again)
    other.undo(other_again)
    _meet(devices)
    assert one.text == "".join(LINES)


def test_three_undo_the_same_and_one_after_the_other_as_well() -> None:
    devices = _devices(3)
    changes = [device.without(*LINES[3:6]) for device in devices]
    _meet(devices)
    devices[0].undo(changes[0])
    devices[1].undo(changes[1])
    _meet(devices)
    assert devices[0].text == "".join(LINES)
    assert devices[2].undo(changes[2]) is None  # it is back
    devices[1].save(devices[1].text.replace("line 4", "LINE 4"))
    _meet(devices)
    assert devices[2].undo(changes[2]) is not None  # the digits that went since
    _meet(devices)
    assert all(devices[0].text.count(line) <= 1 for line in LINES)


def test_words_of_a_line_come_back_once() -> None:
    one, other = devices = _devices(2, "the quick brown fox jumps\n")
    mine = one.save("the fox jumps\n")
    theirs = other.save("the quick jumps\n")
    _meet(devices)
    assert one.text == "the jumps\n"
    one.undo(mine)
    other.undo(theirs)
    _meet(devices)
    assert one.text == "the quick brown fox jumps\n"


def test_replacements_are_undone_to_what_both_had() -> None:
    one, other = devices = _devices(2)
    mine = one.save("".join([*LINES[:3], "mine\n", *LINES[5:]]))
    theirs = other.save("".join([*LINES[:4], "theirs\n", *LINES[6:]]))
    _meet(devices)
    one.undo(mine)
    other.undo(theirs)
    _meet(devices)
    assert one.text == "".join(LINES)


def test_one_undoes_and_one_restores_the_version() -> None:
    one, other = devices = _devices(2)
    then = list(other.log)
    mine = one.without(*LINES[2:5])
    _meet(devices)
    other.without(*LINES[8:9])
    _meet(devices)
    one.undo(mine)
    other.restore(then)
    _meet(devices)
    assert one.text == "".join(LINES)


def test_a_restored_version_keeps_what_stands_for_its_text() -> None:
    [one] = _devices(1)
    then = list(one.log)
    change = one.without(*LINES[2:5])
    one.undo(change)
    one.without(*LINES[7:8])
    one.save(one.text + "more\n")
    size = len(one.replica.clocks())
    one.restore(then)
    assert one.text == "".join(LINES)
    assert len(one.replica.clocks()) == size + 1
    assert returned(one.log, then, 99) is None


def test_what_others_wrote_in_the_middle_stays_there() -> None:
    one, other = devices = _devices(2)
    mine = one.without(*LINES[2:6])
    other.save(other.text.replace(LINES[4], LINES[4] + "between\n"))
    _meet(devices)
    assert "between" in one.text
    one.undo(mine)
    assert one.text == "".join([*LINES[:5], "between\n", *LINES[5:]])


def test_undoing_an_insertion_takes_out_what_stands_for_it() -> None:
    one, other = devices = _devices(2)
    mine = one.save(one.text + "mine\n")
    _meet(devices)
    theirs = other.without("mine\n")
    other.undo(theirs)
    _meet(devices)
    assert one.text.endswith("mine\n")
    one.undo(mine)
    _meet(devices)
    assert one.text == "".join(LINES)


@pytest.mark.parametrize("count", [100, 3000])
def test_of_a_large_change_lines_at_its_ends_and_a_few_pieces(count: int) -> None:
    lines = [f"row {number} {random.Random(number).random()}\n" for number in range(count + 40)]
    one, other = devices = _devices(2, "".join(lines))
    mine, theirs = one.without("".join(lines[5 : count + 5])), other.without("".join(lines[count : count + 30]))
    _meet(devices)
    undo = one.undo(mine)
    assert undo is not None
    assert 16 < len(parse_update(undo).sections) <= MAX_PIECES
    other.undo(theirs)
    _meet(devices)
    assert one.text == "".join(lines)


def test_what_is_in_very_many_places_needs_one_client_id() -> None:
    lines = [f"row {number}\n" for number in range(800)]
    [one] = _devices(1, "".join(lines))
    change = one.save("".join(line for number, line in enumerate(lines) if number % 2))
    undo = one.undo(change)
    assert undo is not None
    assert len(parse_update(undo).sections) == 1
    assert one.text == "".join(lines)


@pytest.mark.parametrize("seed", range(many(12)))
def test_it_brings_back_what_the_librarys_undo_manager_does(seed: int) -> None:
    """On a log in which nothing was brought back before: that manager does not know of what an earlier one did."""
    rng = random.Random(seed)
    devices = _devices(3)
    for _ in range(12):
        device = rng.choice(devices)
        lines = device.text.splitlines(keepends=True)
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(lines) + 1)
            stop = min(len(lines), at + rng.choice([0, 1, 1, 2]))
            lines[at:stop] = [f"{rng.randint(0, 99)} ü😀 new\n" for _ in range(rng.choice([0, 0, 1, 2]))]
        news = device.replica.edit(hunks(device.text, "".join(lines)))
        if news is not None:
            device.log.append(news)
        if rng.random() < 0.3:
            _meet(devices)
    _meet(devices)
    log = devices[0].log
    for change in rng.sample(log[1:], min(5, len(log) - 1)):
        parsed = parse_update(change)
        inserted = [(client, start, stop - start) for client, (start, stop) in parsed.sections.items()]
        expected = _undone_by_library(log, inserted, deleted_ranges(change), 77)
        found = undone(log, [change], 77)
        texts = [
            TextReplica.from_updates(5, [*log, *([update] if update else [])]).text() for update in (expected, found)
        ]
        assert texts[0] == texts[1]


@pytest.mark.parametrize("seed", range(many(25)))
def test_whatever_was_deleted_and_undone_by_whomever_is_there_once(seed: int) -> None:
    """Three devices delete lines, undo, redo and restore at random, apart and together."""
    rng = random.Random(seed)
    devices = _devices(3)
    then = list(devices[0].log)
    stacks: list[list[bytes]] = [[], [], []]
    for _ in range(40):
        number = rng.randrange(3)
        device, stack = devices[number], stacks[number]
        choice = rng.random()
        lines = device.text.splitlines(keepends=True)
        if choice < 0.4 and lines:
            at = rng.randrange(len(lines))
            stack.append(device.without("".join(lines[at : at + rng.randint(1, 3)])))
        elif choice < 0.75 and stack:
            undo = device.undo(stack.pop())
            if undo is not None and rng.random() < 0.3:
                redo = device.undo(undo)
                stack += [redo] if redo is not None else []
        elif choice < 0.8 and device.text != "".join(LINES):
            device.restore(then)
        elif choice > 0.9:
            _meet(devices)
            # What stands there is a part of what was there at first, in its order, each line once.
            left = iter(LINES)
            assert all(line in left for line in devices[0].text.splitlines(keepends=True)), devices[0].text
    _meet(devices)
    for device in devices:
        assert len(set(device.text.splitlines())) == len(device.text.splitlines())
    if devices[0].text != "".join(LINES):
        devices[0].restore(then)
        _meet(devices)
    assert devices[0].text == "".join(LINES)


def test_a_log_with_a_gap_has_no_order() -> None:
    replica = TextReplica(5)
    rows = [update for at in range(6) if (update := replica.edit([Hunk(at, at, "x")])) is not None]
    assert Order.of(rows[:2] + rows[3:]) is None
    assert Order.of([rows[0], rows[2]]) is None
    other = TextReplica.from_updates(6, rows)
    follows = other.edit([Hunk(3, 3, "y")])
    assert follows is not None
    assert Order.of([*rows[:2], follows]) is None
    order = Order.of([*rows, follows])
    assert order is not None
    assert "".join(order.text(span) or "" for span in order.spans) == other.text() == "xxxyxxx"
