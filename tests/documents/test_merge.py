"""The same change made on several devices apart does not come twice, and what met in one line is told."""

from __future__ import annotations

import random

import pytest

from yp2p.documents.diff import hunks
from yp2p.documents.meeting import receive_from_peer
from yp2p.documents.merge import look_at_merge
from yp2p.documents.text import TextReplica, imported

WORDS = ["alpha", "beta", "gamma", "return", "None", "if", "x", "==", ":", "(", ")", "{", "}", "1200", "42", "é", "😀"]


class Node:
    """A device: its document, and what it knows of every other one's."""

    def __init__(self, number: int, text: str) -> None:
        self.replica = TextReplica.from_updates(1000 + number, [imported(text)])
        self.known: dict[int, dict[int, int]] = {}
        self.lines: list[str] = []
        self.queue: list[tuple[int, bytes]] = []

    def change(self, text: str) -> None:
        self.replica.edit(hunks(self.replica.text(), text))

    def take(self, sender: int, update: bytes) -> bytes | None:
        received = receive_from_peer(self.replica, update, frozenset(), self.known[sender])
        self.lines += received.lines
        return received.repair


def meet(nodes: list[Node], rng: random.Random) -> None:
    """Step 1 and step 2 between all of them, in a random order, then repairs as live updates, until all is equal."""
    pairs = [(a, b) for a in range(len(nodes)) for b in range(len(nodes)) if a != b]
    for a, b in pairs:
        nodes[a].known[b] = nodes[b].replica.clocks()
    rng.shuffle(pairs)
    for a, b in pairs:
        update = nodes[b].replica.update_since(nodes[a].replica.state_vector())
        repair = nodes[a].take(b, update)
        if repair is not None and rng.random() < 0.5:
            for other in range(len(nodes)):
                if other != a:
                    nodes[other].queue.append((a, repair))
    for _ in range(4):
        rng.shuffle(pairs)
        for a, b in pairs:
            nodes[a].known[b] = nodes[b].replica.clocks()
            nodes[a].take(b, nodes[b].replica.update_since(nodes[a].replica.state_vector()))
        if len({node.replica.version() for node in nodes}) == 1:
            return
    raise AssertionError("they do not come to rest")


def random_text(rng: random.Random) -> str:
    return "".join(" ".join(rng.choices(WORDS, k=rng.randint(0, 6))) + "\n" for _ in range(rng.randint(1, 30)))


def random_change(rng: random.Random, text: str) -> str:
    """What a formatter, a pull or a restored backup does: many lines changed, put in, taken out, moved."""
    lines = text.split("\n")
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(lines))
        match rng.randrange(6):
            case 0:
                lines[at] = "    " + lines[at]
            case 1:
                lines[at] = lines[at].replace(rng.choice(WORDS), rng.choice(WORDS) + "22")
            case 2:
                lines.insert(at, " ".join(rng.choices(WORDS, k=3)))
            case 3:
                del lines[at : at + rng.randint(1, 3)]
                lines = lines or [""]
            case 4:
                lines[at : at + 2] = [" ".join(rng.choices(WORDS, k=4))]
            case _:
                lines.insert(at, lines[rng.randrange(len(lines))])
    return "\n".join(lines)


@pytest.mark.parametrize("count", [2, 3])
def test_the_same_change_made_apart_comes_once(count: int) -> None:
    for seed in range(1000):
        rng = random.Random(seed)
        text = random_text(rng)
        changed = random_change(rng, text)
        nodes = [Node(number, text) for number in range(count)]
        for node in nodes:
            node.change(changed)
        meet(nodes, rng)
        assert {node.replica.text() for node in nodes} == {changed}, f"seed {seed}"


def test_the_same_change_with_own_changes_beside_it_comes_once() -> None:
    doubled = 0
    for seed in range(300):
        rng = random.Random(seed)
        lines = [f"line {number} {rng.random()}" for number in range(40)]
        shared = lines.copy()
        for at in rng.sample(range(0, 40, 4), 5):
            shared[at] = f"changed everywhere {at} {seed}"
        nodes = [Node(number, "\n".join(lines)) for number in range(2)]
        for number, node in enumerate(nodes):
            own = shared.copy()
            own[rng.choice(range(1, 40, 4)) + number] = f"own {number}"
            node.change("\n".join(own))
        meet(nodes, rng)
        texts = {node.replica.text() for node in nodes}
        assert len(texts) == 1
        text = texts.pop()
        assert text.count("own 0") == 1
        assert text.count("own 1") == 1
        doubled += any(text.count(f"changed everywhere {at} ") > 1 for at in range(40))
    assert doubled == 0


def test_numbers_changed_on_both_sides_stay_whole_and_are_told() -> None:
    nodes = [Node(number, "a = 1\ntimeout = 1200\nb = 2\n") for number in range(2)]
    nodes[0].change("a = 1\ntimeout = 1800\nb = 2\n")
    nodes[1].change("a = 1\ntimeout = 2400\nb = 2\n")
    meet(nodes, random.Random(1))
    text = nodes[0].replica.text()
    assert "1800" in text
    assert "2400" in text
    assert text == nodes[1].replica.text()
    for node in nodes:
        assert node.lines == [text.splitlines()[1]]


def test_different_lines_are_not_told_as_one() -> None:
    meeting = look_at_merge("a\nx\nb\ny\nc\nz\n", "bboobbttbbtt")
    assert meeting.lines == []
    assert meeting.repair == []
