"""Places of the Language Server Protocol, in every encoding, and a copy that is behind."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yp2p.documents.diff import apply_hunks, hunks
from yp2p.documents.text import TextReplica
from yp2p.lsp.copy import EditorCopy, Offer
from yp2p.lsp.places import UTF8, UTF16, UTF32, Change, Lines, Place, changed, placed

_TEXTS = st.text(st.sampled_from("ab \n\r漢é😀"), max_size=30)
_ENCODINGS = st.sampled_from([UTF8, UTF16, UTF32])


def test_units_are_those_of_the_encoding() -> None:
    text = "é😀x\r\nab\rc"
    assert [Lines(text, encoding).place(2) for encoding in (UTF8, UTF16, UTF32)] == [
        Place(0, 6), Place(0, 3), Place(0, 2),
    ]  # fmt: skip
    assert Lines(text, UTF16).index(Place(0, 2)) == 1  # inside a character
    assert Lines(text, UTF16).index(Place(0, 99)) == 3
    assert [Lines(text, UTF16).index(Place(line, 0)) for line in range(4)] == [0, 5, 8, 9]
    assert changed("a\nb", [Change("X", Place(1, 0), Place(1, 1)), Change("all")], UTF16) == "all"


@given(_TEXTS, _TEXTS, _ENCODINGS)
def test_replacements_with_places_make_the_same_text(old: str, new: str, encoding: str) -> None:
    found = hunks(old, new)
    assert apply_hunks(old, found) == new
    changes = placed(old, found, encoding)
    last = Lines(old, encoding).place(len(old))
    if old.endswith("\n") and new.endswith("\n") and "\r" not in old:
        assert all(change.stop != last for change in changes), "behind the last line"
    if not any("\r" in text for text in (old, new)):
        assert changed(old, list(reversed(changes)), encoding) == new


class _Editor:
    """An editor with a copy of its own, and a file that others write into."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.others = TextReplica(99)
        self.others.edit(hunks("", "".join(f"line {n}\n" for n in range(6))))
        self.file = TextReplica.from_updates(7, [self.others.state()])
        self.shown, self.version = self.file.text(), 1
        self.copy = EditorCopy(7, self.file.state(), self.shown, self.version, UTF16)
        self.typed = self.others_wrote = self.refused = 0

    def _insert(self, text: str, what: str) -> str:
        lines = text.splitlines(keepends=True)
        lines.insert(self.rng.randint(0, len(lines)), what)
        return "".join(lines)

    def _tell(self, before: str) -> None:
        self.version += 1
        update = self.copy.hear(self.version, placed(before, hunks(before, self.shown), UTF16)[::-1])
        if update is not None:
            self.file.apply(update)

    def type(self, *, tell: bool = True) -> None:
        before, self.typed = self.shown, self.typed + 1
        self.shown = self._insert(self.shown, f"typed {self.typed} 😀\n")
        if tell:
            self._tell(before)

    def write_elsewhere(self) -> None:
        self.others_wrote += 1
        self.others.load([self.file.state()])
        self.others.edit(hunks(self.others.text(), self._insert(self.others.text(), f"other {self.others_wrote}\n")))
        self.file.apply(self.others.state())

    def offer(self, *, quietly: bool = False) -> None:
        if not self.copy.can_be_offered or self.copy.told == self.file.text():
            return
        offer = self.copy.offer(self.file.text(), self.file.update_since(self.copy.state_vector()))
        for _ in range(0 if quietly else self.rng.randint(0, 2)):
            self.rng.choice([self.type, self.write_elsewhere])()
        self._answer(offer)

    def _answer(self, offer: Offer) -> None:
        taken = offer.version == self.version
        self.refused += not taken
        before = self.shown
        if taken:
            self.shown = apply_hunks(self.shown, offer.changes)
            if self.rng.random() < 0.5:  # what was typed right after it is told together with it
                self.type(tell=False)
        is_early = self.rng.random() < 0.5
        if taken and is_early:
            self._tell(before)
        update = self.copy.answered(offer, taken=taken or self.rng.random() < 0.5)  # as Neovim says it
        if update is not None:
            self.file.apply(update)
        if taken and not is_early:
            self._tell(before)


@pytest.mark.parametrize("seed", range(40))
def test_an_editor_that_is_behind_and_refuses_has_everything_once(seed: int) -> None:
    editor = _Editor(seed)
    for _ in range(80):
        editor.rng.choice([editor.type, editor.write_elsewhere, editor.offer])()
    for _ in range(3):
        editor.offer(quietly=True)
    assert editor.shown == editor.file.text() == editor.copy.text
    for number in range(editor.typed):
        assert editor.shown.count(f"typed {number + 1} 😀\n") == 1
    for number in range(editor.others_wrote):
        assert editor.shown.count(f"other {number + 1}\n") == 1
