"""Whether the texts of one merge parse as those of both sides do, by a parser of their language."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from yp2p.threeway import syntax
from yp2p.threeway.languages import language_of
from yp2p.threeway.lines import ended

# What tries may cost in one merge, in hundredths of a microsecond: 0.6 s of a worker's time; and how many may be.
_BUDGET = 60_000_000
_MAX_TRIES = 30
# A try costs less than the first text does in Python, where only what differs is parsed.
_PYTHON_SHARE = 8


class Checker:
    """Whether texts parse as those of a merge do, while the budget lasts.

    Attributes:
        is_needed: whether the result is to parse, since both sides do.
    """

    def __init__(self, path: str, texts: Sequence[str]) -> None:
        """Parse the texts of both sides. Whether the base parses does not matter: both mended it where it does not."""
        self._left, self._tries = _BUDGET, _MAX_TRIES
        self._allowed: Counter[str] = Counter()
        self.is_needed = False
        language = language_of(path)
        if language is None or not all(syntax.is_parsable(language, text) for text in texts):
            return
        self._language = language
        self._grammar = syntax.Grammar(language)
        for text in texts:
            twice = self._grammar.twice([text])
            if twice is None:
                return
            self._allowed |= twice
        self.is_needed = True

    @property
    def has_budget(self) -> bool:
        return self._left >= 0 and self._tries >= 0

    def __call__(self, pieces: Sequence[str]) -> bool:
        """Whether a text parses, and no key is twice in it that was not before; no, once the budget is used."""
        pieces = ended(pieces)
        size = sum(map(len, pieces))
        self._left -= syntax.cost(self._language, size) // (_PYTHON_SHARE if self._language == "python" else 1)
        self._tries -= 1
        if not self.has_budget:
            return False
        return self._parses(pieces)

    def parses_at_last(self, pieces: Sequence[str]) -> bool:
        """The same for one more text, whatever is left of the budget."""
        return self._parses(pieces)

    def _parses(self, pieces: Sequence[str]) -> bool:
        twice = self._grammar.twice(pieces)
        return twice is not None and twice <= self._allowed
