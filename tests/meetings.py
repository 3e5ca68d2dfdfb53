"""Devices that edit one text apart and meet in random order: only their replicas, so that many runs are quick."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from yp2p.documents.diff import hunks
from yp2p.documents.joined import Side
from yp2p.documents.meeting import Decision, lacking, meet, meeting_of
from yp2p.documents.removals import as_logged
from yp2p.documents.text import TextReplica, imported
from yp2p.protocol.clients import Writer
from yp2p.protocol.state_vectors import contains, encode_state_vector
from yp2p.protocol.update_merge import without_known
from yp2p.protocol.ysync import Shape, check, parse_update
from yp2p.threeway.lines import split_lines
from yp2p.threeway.sequences import differences

WORDS = ["alpha", "beta", "gamma", "return", "None", "if", "x", "==", ":", "(", ")", "{", "}", "1200", "42", "é", "😀"]


@dataclass(frozen=True, slots=True)
class Message:
    """What a device answers to a step 1: updates, and what it has."""

    updates: tuple[bytes, ...]
    side: Side
    sender: Node


class Node:
    """One device: its replica, its log, and what it was told."""

    def __init__(self, number: int, text: str) -> None:
        self.log = [imported(text)]
        self.replica = TextReplica.from_updates(Writer.SAVED.client_id(1000 + number), self.log)
        self.typist = TextReplica.from_updates(2000 + number, self.log)
        self.repairs = 0
        self.told: list[Decision] = []
        self.asked = 0

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
        self.put_in(self.text()[:place] + text + self.text()[place:])

    def put_in(self, text: str) -> None:
        """An edit of a program."""
        self.typist.apply(self.replica.update_since(self.typist.state_vector()))
        assert self.typist.text() == self.text()
        update = self.typist.edit(hunks(self.text(), text))
        if update is not None:
            self.replica.apply(update)
            self.log.append(update)

    def answer(self, other: Node, unless: Collection[int] = ()) -> Message:
        """As `LiveDocument.updates_as_made`: where the other one lacks a repair, the updates one by one. As if it had
        nothing of some clients."""
        known = {client: clock for client, clock in other.replica.clocks().items() if client not in unless}
        update = self.replica.update_since(encode_state_vector(known))
        lacks = any(Writer.of(client) is Writer.REPAIR and client not in known for client in self.replica.clocks())
        parts = [row for row in self.log if not contains(known, _ends(row))] if lacks else []
        return Message((*parts, update), self.side(), self)

    def receive(self, message: Message) -> None:
        missing, said, news = self._missing(message), (), message.updates
        if missing:  # as `Conversation._ask_for` and `Meetings`
            self.asked += 1
            message = message.sender.answer(self, missing)
            clocks = self.replica.clocks()
            known = {client: clocks.get(client, 0) for client in missing}
            said, news = message.updates, tuple(without_known(update, known) for update in message.updates)
        repair, decision = meet("a.txt", [*self.log, *news], self.side(), message.side, said=said)
        for update in message.updates:
            before = self.replica.clocks()
            news = self.replica.apply(update)
            if news is not None:  # as `Edits.accept`
                self.log.append(as_logged(check(update, Shape.TEXT), before, news))
        if decision is not None and decision.told:
            self.told.append(decision)
        if repair is not None and self.replica.apply(repair) is not None:
            self.log.append(repair)
            self.repairs += 1

    def _missing(self, message: Message) -> set[int]:
        """Whose characters are known here only as deleted, and stand there."""
        if meeting_of(self.side().vector, message.side.vector, apart=True) is None:
            return set()
        return lacking([*self.log, *message.updates], self.side(), message.side)


def _ends(update: bytes) -> dict[int, int]:
    return {client: stop for client, (_, stop) in parse_update(update).sections.items()}


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


_NUMBER = re.compile(r"\d{6}")
_MARKS = "😀👍漢é·"
_WORD = re.compile(r"<w\.\d+>")
_START = "a😀b\nline two\n"


def doubled(text: str) -> list[str]:
    """Numbered lines that stand twice in a text."""
    lines = [line.strip() for line in text.split("\n") if _NUMBER.search(line)]
    return [line for line, count in Counter(lines).items() if count > 1]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run: in how many rounds repairs were made after the last edit, and what is wrong.

    `lost` are numbers that somebody wrote, nobody removed, and of which nobody was told; `made_up` are lines that
    nobody wrote, and of which nobody was told.
    """

    rounds: int
    doubled: list[str]
    lost: list[str]
    made_up: list[str]
    text: str


class Lister(Author):
    """Puts in short lines, each with a number of its own, and takes out one of the characters that are there for it: so
    all lines change, and many of them where others put some in."""

    def text(self) -> str:
        return _START

    def change(self, text: str) -> str:
        rng = self.rng
        lines = text.splitlines(keepends=True)
        mark = f"<{self._number()}> {rng.choice(_MARKS)} {rng.choice(_MARKS)}\n"
        lines.insert(rng.randint(0, len(lines)), mark)
        text = "".join(lines)
        gone = rng.choice([at for at, character in enumerate(text) if character in _MARKS])
        return text[:gone] + text[gone + 1 :]


class Committer(Author):
    """Makes changes that people made: what either side of a real merge changed, as far as the lines are there."""

    def __init__(self, rng: random.Random, base: str, sides: Sequence[str]) -> None:
        super().__init__(rng)
        self._base = base
        lines = split_lines(base)
        self._changes = [
            (lines[change.old_start : change.old_stop], side[change.new_start : change.new_stop], change.old_start)
            for side in map(split_lines, sides)
            for change in differences(lines, side)
        ]

    def text(self) -> str:
        return self._base

    def change(self, text: str) -> str:
        lines = split_lines(text)
        for _ in range(self.rng.randint(1, 3)):
            old, new, near = self.rng.choice(self._changes)
            rows = [row for row in range(len(lines) - len(old) + 1) if lines[row : row + len(old)] == old]
            if rows:
                at = min(rows, key=lambda row: abs(row - near))
                lines[at : at + len(old)] = new
        return "".join(lines)


def run(seed: int, devices: int, rounds: int = 3, author: Author | None = None) -> Outcome:
    """Devices edit, go apart and meet in random order, and come to rest."""
    rng = author.rng if author is not None else random.Random(seed)
    author = author or Author(rng)
    text = author.text()
    nodes = [Node(number, text) for number in range(devices)]
    written: set[str] = set(_NUMBER.findall(text))
    removed: set[str] = set()
    lines: set[str] = set(text.split("\n"))

    def note(before: str, after: str) -> None:
        old, new = set(_NUMBER.findall(before)), set(_NUMBER.findall(after))
        written.update(new)
        lines.update(after.split("\n"))
        removed.update(old - new)

    def save(node: Node) -> None:
        before = node.text()
        node.save(author.change(before))
        note(before, node.text())

    for _ in range(rounds):
        for node in nodes:
            for _ in range(rng.randint(0, 2)):
                save(node)
        for _ in range(rng.randint(0, 2 * devices)):
            one, other = rng.sample(nodes, 2)
            for_one, for_other = other.answer(one), one.answer(other)
            match rng.randrange(4):
                case 0:
                    save(other)
                case 1 if other.text():
                    before = other.text()
                    other.type(rng.randrange(len(before)), rng.choice("xyz "))
                    note(before, other.text())
            one.receive(for_one)
            other.receive(for_other)
    rests = come_to_rest(nodes, rng)
    text = nodes[0].text()
    told = [place for node in nodes for decision in node.told for place in decision.told]
    lost = written - removed - set(_NUMBER.findall(text))
    lost.difference_update(*(_NUMBER.findall(place.ours + place.theirs) for place in told))
    made_up = set(text.split("\n")) - lines
    made_up.difference_update(*(place.stands.split("\n") for place in told))
    return Outcome(rests, doubled(text), sorted(lost), sorted(made_up), text)


@dataclass(frozen=True, slots=True)
class Together:
    """What became of words that were written together: those that are there more than once, and those that are gone."""

    doubled: list[str]
    lost: list[str]


def write_together(seed: int, devices: int, rounds: int = 4) -> Together:
    """Programs that type a line at once and editors that save, on all devices, also while messages cross.

    Each edit puts in a short line with a word that is nowhere else, and takes out one of the characters that are there
    for it.
    """
    rng = random.Random(seed)
    nodes = [Node(number, _START) for number in range(devices)]
    made = 0

    def changed(text: str) -> str:
        nonlocal made
        made += 1
        lines = text.splitlines(keepends=True)
        lines.insert(rng.randint(0, len(lines)), f"<w.{made}> {rng.choice(_MARKS)} {rng.choice(_MARKS)}\n")
        text = "".join(lines)
        gone = rng.choice([at for at, character in enumerate(text) if not character.isascii()])
        return text[:gone] + text[gone + 1 :]

    def save(node: Node) -> None:
        node.save(changed(node.text()))

    def put_in(node: Node) -> None:
        node.put_in(changed(node.text()))

    for _ in range(rounds):
        for node in nodes:
            for _ in range(rng.randint(0, 4)):
                (save if rng.random() < 0.3 else put_in)(node)
        for _ in range(rng.randint(0, 2 * devices)):
            one, other = rng.sample(nodes, 2)
            for_one, for_other = other.answer(one), one.answer(other)
            if rng.random() < 0.4:
                (save if rng.random() < 0.5 else put_in)(other)
            one.receive(for_one)
            other.receive(for_other)
    come_to_rest(nodes, rng)
    found = Counter(_WORD.findall(nodes[0].text()))
    wanted = {f"<w.{number}>" for number in range(1, made + 1)}
    return Together(sorted(word for word in found if found[word] > 1), sorted(wanted.difference(found)))
