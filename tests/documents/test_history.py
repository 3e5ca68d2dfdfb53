"""Versions and authors, from the rows of a log."""

from __future__ import annotations

import random

import pytest
from effort import many

from yp2p.documents.diff import hunks, unified
from yp2p.documents.history import Row, blame, versions
from yp2p.documents.text import TextReplica, imported
from yp2p.protocol.clients import Writer

DEVICES = {1: "laptop", 2: "desktop", 3: "pi"}


class Log:
    """A document with its rows, as one device stores them."""

    def __init__(self) -> None:
        self.replica = TextReplica(99)
        self.rows: list[Row[str]] = []
        self.texts: list[str] = []

    def edit(self, client: int, new: str, at: float) -> None:
        fork = self.replica.fork(client)
        update = fork.edit(hunks(fork.text(), new))
        assert update is not None
        self.take(update, at, DEVICES[client])

    def take(self, update: bytes, at: float, sender: str) -> None:
        self.replica.apply(update)
        self.rows.append(Row(len(self.rows) + 1, at, sender, update))
        self.texts.append(self.replica.text())


@pytest.mark.parametrize("seed", range(many(10)))
def test_every_line_has_the_device_that_wrote_it(seed: int) -> None:
    rng = random.Random(seed)
    log, wrote = Log(), dict[str, tuple[str, int]]()
    for number in range(120):
        client = rng.choice([1, 2, 3])
        lines = log.replica.text().splitlines(keepends=True)
        line = f"{number} {rng.choice(['plain', 'é', '😀😀', '漢字'])} {rng.random()}\n"
        if lines and rng.random() < 0.3:
            lines[rng.randrange(len(lines))] = line
        else:
            lines.insert(rng.randint(0, len(lines)), line)
        log.edit(client, "".join(lines), number)
        wrote[line] = DEVICES[client], len(log.rows)
    found = blame(log.rows, log.replica.text(), DEVICES.get)
    assert [(line.text, line.author, line.seq) for line in found] == [
        (line, *wrote[line]) for line in log.replica.text().splitlines(keepends=True)
    ]  # fmt: skip


def test_whose_client_is_unknown_has_the_device_it_came_from() -> None:
    log = Log()
    log.take(imported("one\ntwo\n"), 0, "desktop")
    log.edit(1, "one\ntwo\nthree\n", 1)
    assert [line.author for line in blame(log.rows, log.replica.text(), DEVICES.get)] == [
        "desktop",
        "desktop",
        "laptop",
    ]


def test_the_end_of_a_line_belongs_to_it() -> None:
    log = Log()
    log.edit(1, "no end", 0)
    log.edit(2, "no end\nmore\n", 1)
    assert [line.author for line in blame(log.rows, log.replica.text(), DEVICES.get)] == ["laptop", "desktop"]


def _repaired() -> Log:
    """The clients 4 and 5 changed one line apart, and the repair of their meeting made one line of both."""
    log = Log()
    log.edit(3, "one\na line of words\n", 0)
    apart = {client: log.replica.fork(client) for client in (4, 5)}
    for (client, fork), line in zip(apart.items(), ("A line of words", "a line of WORDS"), strict=True):
        update = fork.edit(hunks(fork.text(), f"one\n{line}\n"))
        assert update is not None
        log.take(update, client, "pi")
    update = log.replica.fork(Writer.REPAIR.client_id(9)).edit(hunks(log.replica.text(), "one\nA LINE of WORDS\n"))
    assert update is not None
    log.take(update, 6, "pi")
    return log


def test_a_line_that_a_repair_put_together_is_of_all_whose_changes_met_there() -> None:
    log = _repaired()
    one, line = blame(log.rows, log.replica.text(), {3: "pi", 4: "laptop", 5: "desktop"}.get)
    assert (one.author, one.merged) == ("pi", ())
    assert (line.text, set(line.merged)) == ("A LINE of WORDS\n", {"laptop", "desktop", "pi"})


def test_what_one_device_alone_had_in_a_line_is_not_merged() -> None:
    log = _repaired()
    found = blame(log.rows, log.replica.text(), {3: "pi", 4: "pi", 5: "pi"}.get)
    assert [(line.author, line.merged) for line in found] == [("pi", ()), ("pi", ())]


def test_versions_are_what_one_device_did_in_one_go() -> None:
    log = Log()
    log.edit(1, "one\n", 0)
    log.edit(1, "one\ntwo\n", 10)
    log.edit(1, "one\ntwo\nthree\n", 20)
    log.edit(2, "one\nthree\n", 25)
    log.edit(2, "one\nthree é😀\n", 500)
    found = versions(log.rows, DEVICES.get, gap_s=120, longest_s=3600)
    assert [(v.seq, v.at, v.since, v.authors, v.added, v.removed) for v in found] == [
        (1, 0, 0, ("laptop",), 4, 0),
        (3, 20, 10, ("laptop",), 10, 0),
        (4, 25, 25, ("desktop",), 0, 4),
        (5, 500, 500, ("desktop",), 4, 0),
    ]


def test_a_version_does_not_get_longer_than_it_may() -> None:
    log = Log()
    for number in range(10):
        log.edit(1, "x" * (number + 1), number * 60.0)
    found = versions(log.rows, DEVICES.get, gap_s=120, longest_s=200)
    assert [version.at - version.since for version in found] == [0, 180, 180, 0]


@pytest.mark.parametrize("seed", range(many(20)))
def test_a_unified_diff_says_what_became_of_every_line(seed: int) -> None:
    rng = random.Random(seed)
    old = [f"{rng.randrange(6)}\n" for _ in range(40)]
    new = [line for line in old if rng.random() < 0.9]
    for _ in range(4):
        new.insert(rng.randint(0, len(new)), f"new {rng.random()}\n")
    at, result = 0, list[str]()
    for line in unified("".join(old), "".join(new)):
        if line.startswith("@@"):
            start, _, size = line.split()[1][1:].partition(",")
            begin = int(start) - 1 if int(size) else int(start)
            result += old[at:begin]
            at = begin
        elif line[0] in " -":
            assert old[at] == line[1:] + "\n"
            at += 1
        if line[0] in " +":
            result.append(line[1:] + "\n")
    assert [*result, *old[at:]] == new


def test_a_text_without_an_end_is_shown_as_such() -> None:
    assert unified("one\ntwo", "one\n2\n") == ["@@ -1,2 +1,2 @@", " one", "-two\n\\ No newline at end of file", "+2"]
    assert unified("same\n", "same\n") == []
    assert unified("", "one\n") == ["@@ -0,0 +1,1 @@", "+one"]
