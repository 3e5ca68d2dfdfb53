"""Devices that edit one text apart and meet in random order: only their replicas, so that many runs are quick."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

from yp2p.documents.diff import hunks
from yp2p.documents.joined import Side
from yp2p.documents.meeting import Decision, meet
from yp2p.documents.text import TextReplica, imported
from yp2p.protocol.clients import Writer

WORDS = ["alpha", "beta", "gamma", "return", "None", "if", "x", "==", ":", "(", ")", "{", "}", "1200", "42", "é", "😀"]


@dataclass(frozen=True, slots=True)
class Message:
    """What a device answers to a step 1: an update, and what it has."""

    update: bytes
    side: Side


class Node:
    """One device: its replica, its log, and what it was told."""

    def __init__(self, number: int, text: str) -> None:
        self.log = [imported(text)]
        self.replica = TextReplica.from_updates(Writer.SAVED.client_id(1000 + number), self.log)
        self.typist = TextReplica.from_updates(2000 + number, self.log)
        self.repairs = 0
        self.told: list[Decision] = []

    def text(self) -> str:
        return self.replica.text()

    def side(self) -> Side:
        return Side(self.replica.clocks(), self.replica.deleted())

    def save(self, text: str) -> None:
        """A save of what is there."""
        update = self.replica.edit(hunks(self.text(), text))
        if update is not None:
            self.log.append(update)

    def type(self, place: int, text: str) -> None:
        """A keystroke of a program."""
        self.typist.apply(self.replica.update_since(self.typist.state_vector()))
        assert self.typist.text() == self.text()
        update = self.typist.edit(hunks(self.text(), self.text()[:place] + text + self.text()[place:]))
        if update is not None:
            self.replica.apply(update)
            self.log.append(update)

    def answer(self, other: Node) -> Message:
        return Message(self.replica.update_since(other.replica.state_vector()), self.side())

    def receive(self, message: Message) -> None:
        repair, decision = meet("a.txt", [*self.log, message.update], self.side(), message.side)
        if self.replica.apply(message.update) is not None:
            self.log.append(message.update)
        if decision is not None and decision.told:
            self.told.append(decision)
        if repair is not None and self.replica.apply(repair) is not None:
            self.log.append(repair)
            self.repairs += 1


def exchange(one: Node, other: Node) -> None:
    """Step 1 and step 2 of both, which cross."""
    for_one, for_other = other.answer(one), one.answer(other)
    one.receive(for_one)
    other.receive(for_other)


def come_to_rest(nodes: list[Node], rng: random.Random, most: int = 20) -> int:
    """All links come up at once, again and again until all is equal; gives in how many rounds repairs were made."""
    rounds = 0
    for _ in range(most):
        if len({node.replica.version() for node in nodes}) == 1:
            return rounds
        before = sum(node.repairs for node in nodes)
        messages = [(to, sender.answer(to)) for to in nodes for sender in nodes if to is not sender]
        rng.shuffle(messages)
        for to, message in messages:
            to.receive(message)
        rounds += sum(node.repairs for node in nodes) > before
    raise AssertionError(f"they do not come to rest in {most} rounds")


@dataclass(slots=True)
class Author:
    """Makes changes as people do; each line that is put in says a number that no other one has."""

    rng: random.Random
    made: int = 100_000
    lines: set[str] = field(default_factory=set)

    def _number(self) -> int:
        self.made += 1
        return self.made

    def text(self) -> str:
        rng = self.rng
        return "".join(" ".join(rng.choices(WORDS, k=rng.randint(1, 6))) + "\n" for _ in range(rng.randint(1, 20)))

    def change(self, text: str) -> str:
        lines = text.split("\n")[:-1] or [""]
        for _ in range(self.rng.randint(1, 3)):
            at = self.rng.randrange(len(lines))
            match self.rng.randrange(6):
                case 0:
                    lines[at] = "    " + lines[at]
                case 1:
                    lines[at] = lines[at].replace(self.rng.choice(WORDS), f"word{self._number()}", 1)
                case 2:
                    lines.insert(at, " ".join(self.rng.choices(WORDS, k=3)) + f" line{self._number()}")
                case 3:
                    del lines[at : at + self.rng.randint(1, 3)]
                    lines = lines or [""]
                case 4:
                    lines[at : at + 2] = [" ".join(self.rng.choices(WORDS, k=4))]
                case _:
                    lines.append(f"log {self._number()}")
        return "\n".join(lines) + "\n"


def doubled(text: str) -> list[str]:
    """Numbers that stand twice in a text."""
    words = text.replace("word", " ").replace("line", " ").split()
    return [number for number, count in Counter(w for w in words if w.isdecimal() and len(w) == 6).items() if count > 1]


def run(seed: int, devices: int, rounds: int = 3) -> tuple[int, list[str]]:
    """One run: in how many rounds repairs were made after the last edit, and which numbers stand twice then."""
    rng = random.Random(seed)
    author = Author(rng)
    text = author.text()
    nodes = [Node(number, text) for number in range(devices)]
    for _ in range(rounds):
        for node in nodes:
            for _ in range(rng.randint(0, 2)):
                node.save(author.change(node.text()))
        for _ in range(rng.randint(0, 2 * devices)):
            one, other = rng.sample(nodes, 2)
            for_one, for_other = other.answer(one), one.answer(other)
            match rng.randrange(4):
                case 0:
                    other.save(author.change(other.text()))
                case 1 if other.text():
                    other.type(rng.randrange(len(other.text())), rng.choice("xyz "))
            one.receive(for_one)
            other.receive(for_other)
    rests = come_to_rest(nodes, rng)
    return rests, doubled(nodes[0].text())
