"""An editor and a document that change one text at the same time, over pipes that deliver whenever they like."""

from __future__ import annotations

import random
from collections import deque
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from effort import many
from teamtype.follower import Buffer

from yp2p.documents.diff import Hunk
from yp2p.editors import messages, revisions
from yp2p.editors.lines import Lines
from yp2p.editors.operation import Operation
from yp2p.editors.revisions import OutOfStep, Revisions
from yp2p.errors import UsageError

URI = "file:///folder/a.txt"
LETTERS = "ab \né😀\u2028\x0c"


def _random_hunk(rng: random.Random, size: int) -> tuple[int, int, str]:
    start = rng.randint(0, size)
    stop = min(size, start + rng.choice([0, 0, 1, 3, 20]))
    return start, stop, "".join(rng.choices(LETTERS, k=rng.choice([0, 1, 1, 4])))


class Pair:
    """An editor, its revisions, and what is on its way between them."""

    def __init__(self, text: str, *, reads_again: bool = False) -> None:
        self.to_daemon: deque[dict[str, Any]] = deque()
        self.to_editor: deque[dict[str, Any]] = deque()
        self.editor = Buffer(URI, text, lambda method, params: self.to_daemon.append(params))
        self.revisions = Revisions(text, reads_again=reads_again)
        self.sent = 0

    def daemon_reads(self) -> Operation:
        params = self.to_daemon.popleft()
        delta = messages.read({"method": "edit", "params": params})
        assert isinstance(delta, messages.Edit)
        return self.revisions.edit(params["revision"], lambda lines: messages.operation_of(delta.delta, lines, "\n"))

    def daemon_writes(self) -> None:
        if (edit := self.revisions.next_edit()) is not None:
            self.sent += 1
            delta = messages.delta_of(edit.hunks, edit.lines, "\n")
            self.to_editor.append({"uri": URI, "revision": edit.revision, "delta": delta})

    def editor_reads(self) -> None:
        self.editor.receive(self.to_editor.popleft())

    def settle(self) -> None:
        while self.to_daemon or self.to_editor or self.revisions.has_news:
            while self.to_daemon:
                self.daemon_reads()
            self.daemon_writes()
            while self.to_editor:
                self.editor_reads()


@pytest.mark.parametrize("seed", range(many(60)))
def test_both_have_the_same_text_whatever_overtakes_what(seed: int) -> None:
    rng = random.Random(seed)
    pair = Pair("".join(rng.choices(LETTERS, k=rng.randint(0, 40))))
    document = pair.revisions.text
    for _ in range(200):
        match rng.randrange(8):
            case 0 | 1:
                pair.editor.edit(_random_hunk(rng, pair.editor.size))
            case 2:
                start, stop, text = _random_hunk(rng, len(document))
                operation = Operation.of([Hunk(start, stop, text)])
                document = operation.apply(document)
                pair.revisions.become(document, operation)
            case 3 | 4:
                if pair.to_daemon:
                    document = pair.daemon_reads().apply(document)
                    assert document == pair.revisions.text
            case 5:
                pair.daemon_writes()
            case _:
                if pair.to_editor:
                    pair.editor_reads()
    pair.settle()
    assert pair.editor.content == pair.revisions.text
    assert pair.editor.taken


def test_an_edit_with_several_replacements_and_one_with_none() -> None:
    pair = Pair("one two three")
    pair.revisions.become("one two three four")
    pair.daemon_writes()
    pair.editor.edit((0, 3, "1"), (8, 13, "3"))
    pair.editor.edit()
    pair.settle()
    assert pair.editor.content == pair.revisions.text == "1 two 3 four"
    assert pair.editor.editor_revision == 2


def test_what_was_dropped_is_sent_again_as_one() -> None:
    """A burst against many that wait costs a message each, and not the product."""
    pair = Pair("start\n")
    for number in range(100):
        pair.revisions.become(f"{pair.revisions.text}{number}\n")
        pair.daemon_writes()
    for _ in range(50):
        pair.editor.edit((0, 0, "x"))  # it reads nothing meanwhile
    assert pair.sent == 100
    while pair.to_daemon:
        pair.daemon_reads()
        pair.daemon_writes()
    assert pair.sent == 150
    pair.settle()
    assert pair.editor.content == pair.revisions.text
    assert pair.editor.dropped == 149


def test_a_slow_editor_is_sent_one_large_edit() -> None:
    pair = Pair("")
    for number in range(100):
        pair.revisions.become(f"{pair.revisions.text}{number}\n")
    pair.settle()
    assert (pair.sent, pair.editor.content) == (1, pair.revisions.text)


@pytest.mark.parametrize("accepted", [0, 1, 9, 10, 11, 20])
def test_an_editor_that_only_reads_keeps_little(monkeypatch: pytest.MonkeyPatch, accepted: int) -> None:
    monkeypatch.setattr(revisions, "_MOST_SENT", 12)
    pair = Pair("")
    for number in range(20):
        pair.revisions.become(pair.revisions.text + chr(65 + number))
        pair.daemon_writes()
    assert len(pair.revisions._sent) <= 13
    for _ in range(accepted):
        pair.editor_reads()
    pair.editor.edit((0, 0, "x"))
    if 0 < accepted < 11:  # within the older half, twice made one
        with pytest.raises(OutOfStep):
            pair.settle()
        return
    pair.settle()
    assert pair.editor.content == pair.revisions.text


def test_a_change_that_the_document_refuses_is_taken_back() -> None:
    pair = Pair("text")
    pair.editor.edit((4, 4, "\0"))
    pair.editor.edit((0, 0, "good "))
    pair.daemon_reads()
    pair.revisions.become("text")
    pair.settle()
    assert pair.editor.content == pair.revisions.text == "good text"


@pytest.mark.parametrize("revision", [-1, 1, 10**20])
def test_a_revision_that_was_never_sent(revision: int) -> None:
    with pytest.raises(OutOfStep):
        Revisions("text").edit(revision, lambda lines: Operation())


def test_a_place_that_the_editor_cannot_have_meant() -> None:
    here = messages.Range(messages.Place(0, 9), messages.Place(0, 9))
    delta = [messages.Replacement(here, "x")]
    with pytest.raises(OutOfStep, match="no character 9 in line 0"):
        Revisions("text").edit(0, partial(messages.operation_of, delta, line_end="\n"))


def test_ranges_of_one_edit_that_overlap() -> None:
    lines = Lines("some text")
    spans = [((0, 5), (4, 9)), ((0, 4), (4, 9))]
    for first, second in spans:
        delta = [
            messages.Replacement(messages.Range(messages.Place(0, start), messages.Place(0, end)), "")
            for start, end in (second, first)
        ]
        if first[1] > second[0]:
            with pytest.raises(UsageError, match="overlap"):
                messages.operation_of(delta, lines, "\n")
        else:
            assert messages.operation_of(delta, lines, "\n").apply(lines.text) == ""


def test_the_last_lines_are_removed_with_the_line_end_before_them() -> None:
    """An editor that has the last line end as an option of the file would take that for gone."""
    revised = Revisions("a\nb\nc\n")
    revised.become("a\n")
    edit = revised.next_edit()
    assert edit is not None
    assert edit.hunks == [Hunk(1, 5, "")]


def test_what_is_put_in_before_and_behind_the_last_line_end_is_one_replacement() -> None:
    """As two they would begin at one place, and editors differ in which of those they apply first."""
    pair = Pair("a\n")
    pair.revisions.become("ax\n", Operation.of([Hunk(1, 1, "x")]))
    pair.revisions.become("ax\nb", Operation.of([Hunk(3, 3, "b")]))
    pair.daemon_writes()
    assert len(pair.to_editor[0]["delta"]) == 1
    pair.settle()
    assert pair.editor.content == pair.revisions.text == "ax\nb"


@pytest.mark.parametrize("seed", range(many(200)))
def test_replacements_of_one_edit_do_not_touch(seed: int) -> None:
    rng = random.Random(seed)
    pair = Pair("".join(rng.choices("ab\n", k=rng.randint(0, 12))) + rng.choice(["", "\n"]))
    for _ in range(60):
        text = pair.revisions.text
        start = max(0, len(text) - rng.choice([0, 1, 1, 2, 5]))  # the end is where a replacement is put otherwise
        stop, new = rng.randint(start, len(text)), "".join(rng.choices("a\n", k=rng.randint(0, 2)))
        operation = Operation.of([Hunk(start, stop, new)])
        pair.revisions.become(operation.apply(text), operation)
        if rng.random() < 0.5:
            continue
        before = pair.revisions.told
        if (edit := pair.revisions.next_edit()) is not None:
            assert all(one.stop < other.start for one, other in pairwise(edit.hunks))
            assert Operation.of(edit.hunks).apply(before.text) == pair.revisions.text


def test_behind_the_last_line_end_nothing_is_put_in() -> None:
    """For an editor that has that line end as an option of the file, there is no line behind it."""
    revised = Revisions("a\n")
    revised.become("a\nb")
    edit = revised.next_edit()
    assert edit is not None
    assert edit.hunks == [Hunk(1, 2, "\nb")]
    whole = Revisions("a\n")
    whole.become("a\nb\n")
    edit = whole.next_edit()
    assert edit is not None
    assert edit.hunks == [Hunk(2, 2, "b\n")]
    assert Lines("a\n").place(2) == (1, 0)


def _others_write(pair: Pair, at: int, text: str) -> None:
    operation = Operation.of([Hunk(at, at, text)])
    pair.revisions.become(operation.apply(pair.revisions.text), operation)


@pytest.mark.parametrize("is_sent", [False, True])
def test_what_an_editor_read_from_the_disk_before_it_was_told_is_there_once(is_sent: bool) -> None:
    """Something else of others may have come since, and is told next."""
    pair = Pair("one\ntwo\n", reads_again=True)
    _others_write(pair, 4, "of others\n")
    pair.daemon_writes()
    _others_write(pair, 0, "more\n")
    if is_sent:
        pair.daemon_writes()
    pair.editor.edit((4, 4, "of others\n"))
    pair.settle()
    assert pair.editor.content == pair.revisions.text == "more\none\nof others\ntwo\n"
    pair.editor.edit((0, 0, "typed "))
    pair.settle()
    assert pair.editor.content == pair.revisions.text == "typed more\none\nof others\ntwo\n"


@pytest.mark.parametrize(("typed", "reads_again"), [("\n", True), ("x", True), ("of others\n", False)])
def test_what_two_people_typed_at_one_place_is_there_twice(typed: str, reads_again: bool) -> None:
    """Also where it is the same: an editor that reads a file again tells of whole lines that have something in them."""
    pair = Pair("one\ntwo\n", reads_again=reads_again)
    _others_write(pair, 4, typed)
    pair.daemon_writes()
    pair.editor.edit((4, 4, typed))
    pair.settle()
    assert pair.editor.content == pair.revisions.text == f"one\n{typed}{typed}two\n"
