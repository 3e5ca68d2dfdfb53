"""Whether a text parses in its language: the same answer on every machine, whichever Python runs.

==========  ===========================  ===================================================================
language    parsed by                    besides
==========  ===========================  ===================================================================
Python      tree-sitter                  indentation; what Python refuses (`python_refusals.py`)
JSON        the standard library's json  no key is twice in an object that was not before
notebooks   as JSON                      the parts of a notebook have their types
TOML        the standard library         a key that is twice does not parse
YAML        libyaml's events             what an alias names is there; no key is twice in a mapping, and no anchor
                                         in a document, that was not before (`yaml_syntax.py`)
XML         expat                        each prefix and entity is declared, if it was (`xml_syntax.py`)
==========  ===========================  ===================================================================

The standard library's parsers of these formats accept the same texts in all Pythons that are supported; `ast` does
not, and deep nesting can end its process. Why these: docs/decisions/0018-merging-three-texts.md.

A member of a folder chooses these bytes. `is_parsable` is a plain scan that bounds size, depth and what a parser would
take long for; nothing is parsed before it.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any
from xml.parsers import expat

import yaml

from yp2p.threeway.python_grammar import PythonGrammar
from yp2p.threeway.xml_syntax import undeclared_names
from yp2p.threeway.yaml_syntax import repeated_names

# Brackets in brackets. No person nests as deep; parsers that recurse fail at some hundred, depending on who calls them.
_MAX_DEPTH = 100
_NO_BRACKETS = bytes(set(range(256)) - set(b"([{}])"))
# Digits of a number: Python converts no more than 4300, unless its environment says otherwise.
_LONG_NUMBER = re.compile(r"\d[\d_]{4000}")
# The sum of the squares of the dots in each line of TOML: its parser takes time quadratic in the parts of a dotted key.
_MAX_DOTS = 200_000
# Characters of one text at most, and what a character costs to parse, in hundredths of a microsecond (measured).
_COSTS = {"python": 20, "json": 14, "notebook": 14, "toml": 100, "yaml": 200, "xml": 2}
# What one text may cost: 0.6 s, or 4 MB of JSON, which is as long as a text may be, or 300 kB of YAML.
_MAX_COST = 60_000_000


def cost(language: str, size: int) -> int:
    """What it takes to parse as many characters, in hundredths of a microsecond."""
    return _COSTS[language] * size


def is_parsable(language: str, text: str) -> bool:
    """Whether a text is small and flat enough to be parsed, and has nothing that its parser does not bound."""
    if cost(language, len(text)) > _MAX_COST:
        return False
    if language == "xml":
        return True
    if language == "toml" and (
        _LONG_NUMBER.search(text) or sum(line.count(".") ** 2 for line in text.split("\n")) > _MAX_DOTS
    ):
        return False
    return _is_flat(text)


def _is_flat(text: str) -> bool:
    depth = 0
    for bracket in text.encode(errors="replace").translate(None, _NO_BRACKETS):
        depth = depth + 1 if bracket in b"([{" else max(0, depth - 1)
        if depth > _MAX_DEPTH:
            return False
    return True


class Grammar:
    """Parses the texts of one merge, which are much alike."""

    def __init__(self, language: str) -> None:
        self._language = language
        self._python = PythonGrammar() if language == "python" else None

    def twice(self, pieces: Sequence[str]) -> Counter[str] | None:
        """What a text has that it may have only if it had it before; None where it does not parse.

        That is keys that are more than once in one object or mapping, and how often; or a prefix that nothing declares.

        Args:
            pieces: the text. Where as many pieces were given before, less time is needed.
        """
        try:
            if self._python is not None:
                return Counter() if self._python.parses(pieces) else None
            text = "".join(pieces)
            return _PARSERS[self._language](text) if is_parsable(self._language, text) else None
        except (ValueError, KeyError, TypeError, RecursionError, yaml.YAMLError, expat.ExpatError):
            return None


def _json(text: str) -> Counter[str]:
    return _loaded(text)[1]


def _loaded(text: str) -> tuple[Any, Counter[str]]:
    twice: Counter[str] = Counter()

    def members(found: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(found)
        if len(result) != len(found):
            twice.update({key: count - 1 for key, count in Counter(key for key, _ in found).items() if count > 1})
        return result

    # Numbers are not converted: that is quadratic, or refused, for long ones.
    return json.loads(text, object_pairs_hook=members, parse_int=len, parse_float=len), twice


def _notebook(text: str) -> Counter[str]:
    book, twice = _loaded(text)
    if not isinstance(book["cells"], list) or not all(isinstance(cell["source"], list | str) for cell in book["cells"]):
        raise ValueError("no notebook")
    return twice


def _toml(text: str) -> Counter[str]:
    tomllib.loads(text, parse_float=str)
    return Counter()


_PARSERS: dict[str, Callable[[str], Counter[str]]] = {
    "json": _json,
    "notebook": _notebook,
    "toml": _toml,
    "yaml": repeated_names,
    "xml": undeclared_names,
}
