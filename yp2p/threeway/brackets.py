"""What one side put in brackets, and what both put between the same ones, in a line that both edited.

* *Around.* A bracket or quotation mark that one side put around words stays around what the other side made of them; a
  line of which one half were left is none that anybody meant.
* *The other marks.* Where one side only wrote all strings with the other quotation marks, it changed no string: the
  other side's line has those marks then.
* *Members.* What both put into an empty list or object, `[]` or `{}`, are members of it: those of both, with a comma,
  each once. Not where both name one key, or where it is no list (`[x for x in y]`); then one of them stands.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from yp2p.threeway.words import Clash, Words

_CLOSING = {"(": ")", "[": "]", "{": "}"}
_QUOTES = "\"'`"
_OTHER_MARK = {'"': "'", "'": '"'}
# A string, or one character that matters.
_TOKENS = re.compile(r""""(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+'|.""", re.DOTALL)
_FIELD = re.compile(r"\{[^{}\n]*\}")
# Words times words that are looked at for those around which something was put: 10 ms.
_MAX_COMPARED = 100_000
# What may stand before a string: no word, but for such as `rb`.
_BEFORE_STRING = re.compile(r"(?:.*\W)?(?:[bfru]|br|rb|fr|rf)?", re.DOTALL | re.IGNORECASE)
_NO_LIST = re.compile(r"\b(?:for|lambda)\b")


def open_ends(text: str) -> tuple[str, str, tuple[int, ...]]:
    """What a line leaves to others: brackets that it closes and does not open, or opens and does not close, and which
    quotation marks it has an odd number of."""
    closed: list[str] = []
    opened: list[str] = []
    for char in text:
        if char in "([{":
            opened.append(_CLOSING[char])
        elif char in ")]}":
            if opened and opened[-1] == char:
                opened.pop()
            else:
                closed.append(char)
    return "".join(closed), "".join(opened), tuple(text.count(quote) % 2 for quote in _QUOTES)


def is_torn(text: str, versions: Sequence[str]) -> bool:
    """Whether a line lacks half of a pair of brackets or quotation marks, though all versions have them alike; or has a
    string with such marks in it as no version has: `"a', 'b"`."""
    ends = {open_ends(version) for version in versions}
    if len(ends) == 1 and open_ends(text) not in ends:
        return True
    return has_torn_strings(text, versions)


def has_torn_strings(text: str, versions: Sequence[str]) -> bool:
    """Whether there is a mark inside of a string with the other ones in a line that no version has, though none of them
    has that anywhere; or a word that was text has become a name: `'a b'`, made `f"a {b}"` here and `'a c'` there, is
    not `f"a {c}"`.

    Args:
        versions: what the base had comes first.
    """
    new = set(text.split("\n")).difference(*(version.split("\n") for version in versions))
    if _has_new_fields(new, versions):
        return True
    inside = {mark for line in new for mark in _marks_inside(line)}
    return bool(inside) and not inside <= {
        mark for version in versions for line in version.split("\n") for mark in _marks_inside(line)
    }


def _has_new_fields(lines: Collection[str], versions: Sequence[str]) -> bool:
    """Whether a string has something in braces that it has in no version, and nothing in braces in the base."""
    found = {field for line in lines if "{" in line for field in _fields(line)}
    if not found or not any("{" in version for version in versions[1:]):
        return False
    before, *sides = ({field for line in version.split("\n") for field in _fields(line)} for version in versions)
    return not before and not found <= set().union(*sides)


def _fields(text: str) -> set[str]:
    """What is in braces in strings."""
    return {field for token in _TOKENS.findall(text) if len(token) > 1 for field in _FIELD.findall(token)}


def _marks_inside(text: str) -> set[str]:
    """The quotation marks that are inside of strings with the other ones."""
    strings = (token for token in _TOKENS.findall(text) if len(token) > 1)
    return {mark for string in strings for mark in _OTHER_MARK if mark != string[0] and mark in string}


def with_other_marks(base: str, ours: str, theirs: str) -> str | None:
    """Both changes, where one side only wrote all strings with the other quotation marks; else None."""
    for side, other in ((ours, theirs), (theirs, ours)):
        for mark, new in _OTHER_MARK.items():
            if mark not in base or new in base + other or side != base.replace(mark, new):
                continue
            if _has_strings_alone(base, mark) and _has_strings_alone(other, mark):
                return other.replace(mark, new)
    return None


def _has_strings_alone(text: str, mark: str) -> bool:
    """Whether each such mark begins or ends a string in one line: none is an apostrophe, or behind a backslash."""
    if "\\" in text:
        return False
    for match in _TOKENS.finditer(text):
        if mark not in match[0]:
            continue
        at = match.start()
        if len(match[0]) == 1 or "\n" in match[0] or not _BEFORE_STRING.fullmatch(text, max(0, at - 3), at):
            return False
    return True


def put_around(clash: Clash) -> str | None:
    """What both made of the same words, where one side only put something with an open bracket or quotation mark before
    or behind them; else None."""
    base, ours, theirs = map(Words.of, (clash.base, clash.ours, clash.theirs))
    words = list(base.words[:-1])
    ends = open_ends(clash.base)
    for side, other, text in ((ours, clash.theirs, clash.ours), (theirs, clash.ours, clash.theirs)):
        if not words or len(words) * len(side.words) > _MAX_COMPARED:
            continue
        if open_ends(text) == ends or open_ends(other) != ends:
            continue
        for at in range(len(side.words) - len(words)):
            if list(side.words[at : at + len(words)]) == words:
                stands = other if not at else side.layout[at] + other.lstrip()
                return side.text(0, at) + stands + side.text(at + len(words), len(side.words) - 1)
    return None


def both_members(before: str, clash: Clash, behind: str) -> str | None:
    """The members of both, where both put some into one empty list or object; else None.

    Args:
        before: what stands before; `behind` what stands behind.
    """
    opening = before.rstrip()[-1:]
    if clash.base.strip() or opening not in ("[", "{") or behind.lstrip()[:1] != _CLOSING[opening]:
        return None
    if any(open_ends(before)[2]):
        return None  # in a string
    ours, theirs = _members(clash.ours), _members(clash.theirs)
    if not ours or not theirs or (None in ours) != (None in theirs):
        return None
    known = {key for key in ours if key is not None} & {key for key in theirs if key is not None}
    if any(ours[key] != theirs[key] for key in known):
        return None
    listed = [*ours.get(None, ()), *(text for key, texts in ours.items() if key is not None for text in texts)]
    others = [*theirs.get(None, ()), *(text for key, texts in theirs.items() if key is not None for text in texts)]
    start = clash.ours[: len(clash.ours) - len(clash.ours.lstrip())]
    return start + ", ".join([*listed, *(text for text in others if text not in listed)])


def _unquoted(key: str) -> str:
    """A key as it is without quotation marks: `a` and `"a"` are one key in YAML and TOML."""
    return key[1:-1] if len(key) > 1 and key[0] == key[-1] and key[0] in _OTHER_MARK else key


def _members(text: str) -> dict[str | None, list[str]]:
    """The members of a list by their keys, None for those without; empty where they cannot be told apart."""
    found: dict[str | None, list[str]] = {}
    depth = start = at = 0
    key: str | None = None
    for match in _TOKENS.finditer(text + ","):
        token = match[0]
        depth += (token in "([{") - (token in ")]}") if len(token) == 1 else 0
        if depth < 0 or token in ("'", '"', "#", "\n"):
            return {}
        if depth == 0 and token in (":", "=") and key is None:
            key = _unquoted(text[start : match.start()].strip())
        elif depth == 0 and token == ",":
            member = text[start : match.start()].strip()
            if member:
                found.setdefault(key, []).append(member)
            start, key = match.end(), None
        at = match.end()
    plain = "".join(token for token in _TOKENS.findall(text) if len(token) == 1)
    return {} if depth or at <= len(text) - 1 or _NO_LIST.search(plain) else found
