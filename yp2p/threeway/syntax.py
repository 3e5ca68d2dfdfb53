"""Whether a text parses in its language: the same answer on every machine, whichever Python runs.

==========  =====================  ==========================================================================
language    parsed by              besides
==========  =====================  ==========================================================================
Python      tree-sitter            blocks are indented as Python wants it (tree-sitter forgives that)
JSON        the standard library   no key stands twice in an object that did not before
notebooks   as JSON                the parts of a notebook have their types
TOML        the standard library
YAML        libyaml's events       no key stands twice in a mapping that did not before
XML         expat                  nothing outside of the document is looked up
==========  =====================  ==========================================================================

The standard library's parsers of these formats are the same in all Pythons that are supported; `ast` is not, and
deep nesting can end its process. Why these: docs/decisions/0016-merging-three-texts.md.

A member of a folder chooses these bytes. `is_parsable_size` is a plain scan that bounds size and depth first; whoever parses
does so in a process of its own (`worker.py`).
"""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any
from xml.parsers import expat

import tree_sitter
import tree_sitter_python
import yaml

# A merge of more than this is decided by lines and words alone: parsing takes 0.2 s a megabyte.
MAX_PARSED_CHARS = 2_000_000
# No person nests as deep; parsers that recurse end their process at a few thousand.
_MAX_DEPTH = 200
_OPEN, _CLOSE = "([{<", ")]}>"
_BRACKETS = re.compile(r"[(\[{}\])]|^[ \t]+|</?(?=[A-Za-z])|/>", re.MULTILINE)
_LANGUAGES = {
    ".py": "python", ".pyi": "python", ".json": "json", ".webmanifest": "json", ".geojson": "json", ".ipynb": "notebook",
    ".toml": "toml", ".yaml": "yaml", ".yml": "yaml", ".xml": "xml", ".svg": "xml", ".xhtml": "xml", ".plist": "xml",
}  # fmt: skip
# What of Python is no code: strings, comments, line ends that do not end a line.
_NO_CODE = re.compile(
    r"""[rbuftRBUFT]{0,2}(?:\"\"\"(?:[^\\]|\\.)*?\"\"\"|'''(?:[^\\]|\\.)*?'''|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')"""
    r"""|\#[^\n]*|\\\r?\n""",
    re.DOTALL,
)
_FIRST_WORD = re.compile(r"\w+")


def language_of(path: str) -> str | None:
    """The language of a file, by the end of its name; None where its syntax is not checked."""
    name = path.rpartition("/")[2]
    return _LANGUAGES.get("." + name.rpartition(".")[2].lower()) if "." in name else None


def is_parsable_size(text: str) -> bool:
    """Whether a text is small and flat enough to be parsed."""
    if len(text) > MAX_PARSED_CHARS:
        return False
    depth = 0
    for match in _BRACKETS.finditer(text):
        found = match.group()
        if found in "([{" or found == "<":
            depth += 1
        elif found in ")]}" or found in ("</", "/>"):
            depth = max(0, depth - 1)
        elif len(found.expandtabs()) > 4 * _MAX_DEPTH:
            return False
        if depth > _MAX_DEPTH:
            return False
    return True


def check(language: str, text: str) -> Counter[str] | None:
    """The keys that stand twice in a text; None where it does not parse."""
    try:
        match language:
            case "python":
                return Counter() if _is_python(text) else None
            case "json":
                return _json(text)
            case "notebook":
                return _notebook(text)
            case "toml":
                tomllib.loads(text)
                return Counter()
            case "yaml":
                return _yaml(text)
            case "xml":
                expat.ParserCreate().Parse(text.encode(), True)
                return Counter()
    except (ValueError, KeyError, TypeError, RecursionError, yaml.YAMLError, expat.ExpatError):
        return None
    raise ValueError(f"no parser for {language}")


class _Python:
    """A parser of Python that parses only what differs from the text before."""

    # What the grammar allows and Python does not.
    _SUSPECTS = """
        (argument_list (keyword_argument) . [(identifier) (attribute) (call) (string) (integer) (list) (tuple)] @argument)
        (parameters) @parameters
        (lambda_parameters) @parameters
    """

    def __init__(self) -> None:
        language = tree_sitter.Language(tree_sitter_python.language())
        self._parser = tree_sitter.Parser(language)
        self._suspects = tree_sitter.Query(language, self._SUSPECTS)
        self._last = b""
        self._tree: tree_sitter.Tree | None = None

    def forget(self) -> None:
        self._last, self._tree = b"", None

    def parses(self, text: str) -> bool:
        data = text.encode()
        if self._tree is not None:
            self._edit(self._tree, data)
            self._tree = self._parser.parse(data, self._tree)
        else:
            self._tree = self._parser.parse(data)
        self._last = data
        if self._tree.root_node.has_error:
            return False
        found = tree_sitter.QueryCursor(self._suspects).captures(self._tree.root_node)
        return "argument" not in found and all(map(_are_parameters, found.get("parameters", ())))

    def _edit(self, tree: tree_sitter.Tree, data: bytes) -> None:
        """Say what became of the last text: the bytes between what both begin and what both end with."""
        start = _equal(self._last, data)
        rest = min(len(self._last), len(data)) - start
        end = _equal(self._last[len(self._last) - rest :][::-1], data[len(data) - rest :][::-1])
        points = [_point(text, at) for text, at in (
            (data, start), (self._last, len(self._last) - end), (data, len(data) - end))]  # fmt: skip
        tree.edit(start, len(self._last) - end, len(data) - end, *points)


def _equal(one: bytes, other: bytes) -> int:
    """How many bytes both begin with."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _point(data: bytes, at: int) -> tuple[int, int]:
    return data.count(b"\n", 0, at), at - (data.rfind(b"\n", 0, at) + 1)


def _are_parameters(node: tree_sitter.Node) -> bool:
    """Whether these parameters may stand in this order."""
    stars = 0
    has_default = False
    for child in node.named_children:
        kind = child.type
        if kind == "typed_parameter" and child.named_children:
            kind = child.named_children[0].type
        if kind in ("list_splat_pattern", "keyword_separator"):
            stars += 1
        elif kind in ("default_parameter", "typed_default_parameter"):
            has_default = True
        elif kind in ("identifier", "tuple_pattern") and has_default and not stars:
            return False
    return stars <= 1


@cache
def _python() -> _Python:
    return _Python()


def begin() -> None:
    """A merge begins: what was parsed before has no part in it."""
    _python().forget()


def _is_python(text: str) -> bool:
    return _is_indented(text) and _python().parses(text)


def _is_indented(text: str) -> bool:
    """Whether each line of code is indented as the ones before it allow, and each `try` has its other half."""
    levels = [(0, "")]  # the indentation of each open block, and what began the last block in it
    opened = False  # whether the line before ends with a colon
    for indent, word, ends_with_colon in _code_lines(text):
        if opened:
            if indent <= levels[-1][0]:
                return False
            levels.append((indent, ""))
        elif indent > levels[-1][0]:
            return False
        while indent < levels[-1][0]:
            if levels.pop()[1] == "try":
                return False
        if indent != levels[-1][0] or not _may_follow(word, levels[-1][1]):
            return False
        levels[-1] = indent, word if ends_with_colon else ""
        opened = ends_with_colon
    return not opened and all(word != "try" for _, word in levels)


def _may_follow(word: str, before: str) -> bool:
    """Whether a line that begins with a word may stand behind a block that another one began."""
    if word == "except":
        return before in ("try", "except")
    if word == "finally":
        return before in ("try", "except", "else")
    return before != "try"


def _code_lines(text: str) -> Iterator[tuple[int, str, bool]]:
    """The indentation of each logical line that has code, its first word, and whether it ends with a colon."""
    depth = 0
    indent, word = 0, ""
    for line in _NO_CODE.sub(_replacement, text).split("\n"):
        code = line.strip()
        if not code:
            continue
        if not depth:
            indent = len(line[: len(line) - len(line.lstrip())].expandtabs())
            first = _FIRST_WORD.match(code)
            word = first.group() if first is not None else ""
        if not code.isalnum():
            opened = code.count("(") + code.count("[") + code.count("{")
            depth = max(0, depth + opened - code.count(")") - code.count("]") - code.count("}"))
        if not depth:
            yield indent, word, code[-1] == ":"


def _replacement(match: re.Match[str]) -> str:
    return "" if match.group()[0] in "#\\" else "0"


def _json(text: str) -> Counter[str]:
    twice: Counter[str] = Counter()

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        twice.update({key: count - 1 for key, count in Counter(key for key, _ in found).items() if count > 1})
        return dict(found)

    json.loads(text, object_pairs_hook=pairs, parse_int=len, parse_float=len)
    return twice


def _notebook(text: str) -> Counter[str]:
    twice = _json(text)
    cells = json.loads(text, parse_int=len, parse_float=len)["cells"]
    if not isinstance(cells, list) or not all(isinstance(cell["source"], list | str) for cell in cells):
        raise ValueError("no notebook")
    return twice


def _yaml(text: str) -> Counter[str]:
    """The keys that stand twice in a mapping. Raises yaml.YAMLError."""
    twice: Counter[str] = Counter()
    open_nodes: list[tuple[set[str] | None, int]] = []  # the keys of a mapping, and how many nodes it has so far
    loader = getattr(yaml, "CLoader", yaml.Loader)
    for event in yaml.parse(text, Loader=loader):
        is_start = isinstance(event, yaml.CollectionStartEvent)
        if isinstance(event, yaml.ScalarEvent | yaml.AliasEvent) or is_start:
            if open_nodes and open_nodes[-1][0] is not None:
                keys, number = open_nodes[-1]
                if number % 2 == 0 and isinstance(event, yaml.ScalarEvent) and event.value != "<<":
                    if event.value in keys:
                        twice[event.value] += 1
                    keys.add(event.value)
                open_nodes[-1] = keys, number + 1
            if is_start:
                open_nodes.append((set() if isinstance(event, yaml.MappingStartEvent) else None, 0))
        elif isinstance(event, yaml.CollectionEndEvent):
            open_nodes.pop()
    return twice
