"""Whether brackets are balanced, for languages that nothing here parses: C, JavaScript, Go, Rust, shell and the like.

Each kind of brackets by itself, wherever it stands, in strings and comments as well. It counts only if it is balanced
in both sides of a merge: a shell's `case` has half a pair, and so may a text have; then that kind tells nothing. The
result of a merge of two texts that have it balanced has it balanced.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

# Texts that are looked at in one merge, and characters of them: 0.2 s, if all of them are brackets.
_MAX_TRIES, _MAX_CHARS = 30, 4_000_000
_ALL_BYTES = bytes(range(256))
_STEPS = dict.fromkeys(b"([{", 1) | dict.fromkeys(b")]}", -1)


class Balance:
    """Whether texts have the brackets balanced that both sides of a merge have, while the budget lasts.

    Attributes:
        is_needed: whether there is such a kind of brackets.
    """

    def __init__(self, sides: Sequence[str]) -> None:
        self._tries, self._left = _MAX_TRIES, _MAX_CHARS
        self._kinds = [kind for kind in (b"()", b"[]", b"{}") if all(_is_balanced(side, kind) for side in sides)]
        self.is_needed = bool(self._kinds) and sum(map(len, sides)) <= _MAX_CHARS

    @property
    def has_budget(self) -> bool:
        return self._left >= 0 and self._tries >= 0

    def __call__(self, pieces: Sequence[str]) -> bool:
        """Whether it is so of a text; no, once the budget is used."""
        self._left -= sum(map(len, pieces))
        self._tries -= 1
        return self.has_budget and self.parses_at_last(pieces)

    def parses_at_last(self, pieces: Sequence[str]) -> bool:
        """The same for one more text, whatever is left of the budget."""
        text = "".join(pieces)
        return all(_is_balanced(text, kind) for kind in self._kinds)


def _is_balanced(text: str, kind: bytes) -> bool:
    opening, closing = map(chr, kind)
    if text.count(opening) != text.count(closing):
        return False
    brackets = text.encode(errors="replace").translate(None, _ALL_BYTES.translate(None, kind))
    return min(accumulate(map(_STEPS.__getitem__, brackets)), default=0) >= 0
