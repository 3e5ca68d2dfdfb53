"""The same change made on several devices apart does not come twice, and what met in one line is told."""

from __future__ import annotations

import random

import pytest

from yp2p.documents.diff import hunks
from yp2p.documents.meeting import receive_from_peer
from yp2p.documents.text import TextReplica, imported

WORDS = ["alpha", "beta", "gamma", "return", "None", "if", "x", "==", ":", "(", ")", "{", "}", "1200", "42", "é", "😀"]


class Node:
    """A device: its document, and what it knows of every other one's."""

    def __init__(self, number: int, text: str) -> None:
        self.replica = TextReplica.from_updates(1000 + number, [imported(text)])
        self.known: dict[int, dict[int, int]] = {}
        self.lines: list[str] = []

    def change(self, text: str) -> None:
        self.replica.edit(hunks(self.replica.text(), text))

    def take(self, sender: int, update: bytes, *, is_equal: bool = False) -> None:
        received = receive_from_peer(self.replica, update, frozenset(), self.known[sender], is_equal=is_equal)
        self.lines += received.lines


def meet(nodes: list[Node], rng: random.Random) -> None:
    """Pairs exchange step 1 and step 2 in a random order, as over a channel, again and again until all is equal."""
    pairs = [(a, b) for a in range(len(nodes)) for b in range(a)]
    for _ in range(4):
        rng.shuffle(pairs)
        for a, b in pairs:
            # Both state vectors are sent first, and both answers are cut before either of them has arrived.
            nodes[a].known[b], nodes[b].known[a] = nodes[b].replica.clocks(), nodes[a].replica.clocks()
            is_equal = nodes[a].replica.text() == nodes[b].replica.text()  # devices tell each other the hash
            for_a = nodes[b].replica.update_since(nodes[a].replica.state_vector())
            for_b = nodes[a].replica.update_since(nodes[b].replica.state_vector())
            nodes[a].take(b, for_a, is_equal=is_equal)
            nodes[b].take(a, for_b, is_equal=is_equal)
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
        places = rng.sample(range(2, 40, 4), 2)  # with an untouched line between
        for number, node in enumerate(nodes):
            own = shared.copy()
            own[places[number]] = f"own {number}"
            node.change("\n".join(own))
        meet(nodes, rng)
        texts = {node.replica.text() for node in nodes}
        assert len(texts) == 1
        text = texts.pop()
        assert text.count("own 0") == 1
        assert text.count("own 1") == 1
        doubled += any(text.count(f"changed everywhere {at} ") > 1 for at in range(40))
    assert doubled == 0


def test_equal_contents_with_different_histories_stay_equal() -> None:
    for seed in range(300):
        rng = random.Random(seed)
        text = random_text(rng)
        between = random_change(rng, text)
        wanted = random_change(rng, between)
        nodes = [Node(number, text) for number in range(rng.choice([2, 3]))]
        for number, node in enumerate(nodes):
            if number % 2:
                node.change(between)
            node.change(wanted)
        meet(nodes, rng)
        assert {node.replica.text() for node in nodes} == {wanted}, f"seed {seed}"


def test_different_rows_that_become_the_same_are_both_kept() -> None:
    for seed in range(300):
        rng = random.Random(seed)
        rows = [f"row {number}\n" for number in range(8)]
        wanted = rows.copy()
        nodes = [Node(number, "".join(rows)) for number in range(rng.choice([2, 3]))]
        for node, place in zip(nodes, rng.sample(range(8), len(nodes)), strict=True):
            own = rows.copy()
            own[place] = wanted[place] = rng.choice(["n/a\n", "x\n"])
            node.change("".join(own))
        meet(nodes, rng)
        assert {node.replica.text() for node in nodes} == {"".join(wanted)}, f"seed {seed}"


def test_more_twins_than_one_edit_may_have() -> None:
    lines = [f"key{number}={number}\n" for number in range(6000)]
    between = [line.replace("\n", " # seen\n") if number % 8 == 0 else line for number, line in enumerate(lines)]
    wanted = [line.replace("\n", " # seen\n") if number % 8 == 4 else line for number, line in enumerate(between)]
    nodes = [Node(number, "".join(lines)) for number in range(2)]
    for node in nodes:
        node.change("".join(between))
        node.change("".join(wanted))
    meet(nodes, random.Random(1))
    assert {node.replica.text() for node in nodes} == {"".join(wanted)}


def test_words_and_numbers_of_two_people_stay_whole() -> None:
    for one, two in (
        ("\n+4912345678", "\n+491234567890"), ("\ninvoice 1000", "\ninvoice 10000"), ("\nimport a", "\nimport a.b"),
        ("\nimport yp2p_tests\n", "\nimport yp2p_tests.more\n"), ("\ntotal: 100000\n", "\ntotal: 1000000\n"),
    ):  # fmt: skip
        for mine, theirs in ((one, two), (two, one)):
            nodes = [Node(number, "a\nb") for number in range(2)]
            nodes[0].change("a\nb" + mine)
            nodes[1].change("a\nb" + theirs)
            meet(nodes, random.Random(1))
            text = nodes[0].replica.text()
            assert one.strip() in text.replace(two.strip(), "", 1), text
            assert two.strip() in text, text


def test_lines_made_apart_come_once_beside_what_somebody_went_on_with() -> None:
    for mine, theirs in (
        ("shared line one\nmine\n", "shared line one\n"), ("mine\nshared line one\nmore\n", "shared line one\n"),
        ("above\nshared line one\n", "shared line one\n"),
    ):  # fmt: skip
        for first, second in ((mine, theirs), (theirs, mine)):
            nodes = [Node(number, "a\nb\n") for number in range(2)]
            nodes[0].change("a\n" + first + "b\n")
            nodes[1].change("a\n" + second + "b\n")
            meet(nodes, random.Random(1))
            assert nodes[0].replica.text() == nodes[1].replica.text()
            assert nodes[0].replica.text().count("shared line one\n") == 1
            assert all(line in nodes[0].replica.text() for line in mine.splitlines())


def test_lines_made_apart_come_once_where_each_went_on_at_another_end() -> None:
    texts = set()
    for seed in range(8):  # who stands first is chance
        nodes = [Node(number, "a\nb\n") for number in range(2)]
        nodes[seed % 2].change("a\nabove\nshared\nb\n")
        nodes[1 - seed % 2].change("a\nshared\nbelow\nb\n")
        meet(nodes, random.Random(seed))
        assert nodes[0].replica.text() == nodes[1].replica.text()
        texts.add(nodes[0].replica.text())
    assert "a\nabove\nshared\nbelow\nb\n" in texts
    assert texts <= {"a\nabove\nshared\nbelow\nb\n", "a\nshared\nbelow\nabove\nshared\nb\n"}


def test_edits_in_turns_are_never_repaired() -> None:
    for seed in range(300):
        rng = random.Random(seed)
        text = random_text(rng)
        nodes = [Node(number, text) for number in range(2)]
        for one in (0, 1):
            nodes[one].known[1 - one] = nodes[1 - one].replica.clocks()
        for _ in range(8):
            who = rng.randrange(2)
            text = random_change(rng, text)
            update = nodes[who].replica.edit(hunks(nodes[who].replica.text(), text))
            if update is not None:
                nodes[1 - who].take(who, update)
            assert [node.replica.text() for node in nodes] == [text, text], f"seed {seed}"


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
