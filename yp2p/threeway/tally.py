"""What a merge of three texts has doubled or lost, by the lines and words that are once in each text.

Such a word tells where its line went: what is twice in the result stands in two places although every version has it
in one, and what is not in it at all somebody wrote, or both left, and it is gone. Neither is always a fault: a value
that was written twice is once in the result, and a block that one side moved and rewrote and the other one changed
stands twice. So the tally decides nothing by itself; of two ways to merge the one is taken that doubles less and loses
no more.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from yp2p.threeway.lines import split_lines

_WORD = re.compile(r"\w+")
# Shorter words are in many lines, and so are lines with fewer letters.
_MIN_LETTERS, _MIN_LINE_LETTERS = 3, 6


@dataclass(frozen=True, slots=True)
class Tally:
    """How many lines and words are twice that are once in every version, and how many are gone that nobody took out."""

    doubled: int
    lost: int

    def is_better(self, other: Tally) -> bool:
        return self.doubled < other.doubled and self.lost <= other.lost


def tally(base: Sequence[str], ours: Sequence[str], theirs: Sequence[str], result: str) -> Tally:
    """Count in a result of the merge of three texts, given by their lines.

    Lines that all four have are left out first: that changes no difference of counts, and most texts are large.
    """
    texts = [Counter(lines) for lines in (base, ours, theirs, split_lines(result))]
    shared = texts[0] & texts[1] & texts[2] & texts[3]
    of_base, of_ours, of_theirs, found = (_counted(text - shared) for text in texts)
    doubled = sum(
        count > 1 and of_base[token] == 1 and max(of_ours[token], of_theirs[token]) == 1
        for token, count in found.items()
    )
    lost = sum(
        token not in found and (token not in of_base or (token in of_ours and token in of_theirs))
        for token in {*of_ours, *of_theirs}
        if "\n" not in token
    )
    return Tally(doubled, lost)


def _counted(lines: Counter[str]) -> Counter[str]:
    """The words of lines, and the lines without white space at their ends, with an end behind each."""
    found: Counter[str] = Counter()
    for line, count in lines.items():
        for word in _WORD.findall(line):
            if len(word) >= _MIN_LETTERS:
                found[word] += count
        if sum(map(str.isalnum, line)) >= _MIN_LINE_LETTERS:
            found[line.strip() + "\n"] += count
    return found
