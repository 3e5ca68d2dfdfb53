"""What tree-sitter's grammar of Python takes and Python does not: looked at in a tree without an error.

Such a text is what two texts make that are each right, put together word by word: `f(a, **k, b)`, `b"é"`,
`sum(a for a in b, 0)`, `x: int = y = 1`. Each of these is refused by all Pythons that are supported.

Accepted though Python refuses it: what stands where it may not for what is around it (`await` in a function that is not
`async`, two `*rest` in one pattern of `match`), and an `except` behind one for all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

import tree_sitter
import tree_sitter_python

_SUSPECTS = """
(argument_list) @arguments
(keyword_argument name: (identifier) @name)
(parameters) @parameters
(lambda_parameters) @parameters
[(pattern_list) (tuple_pattern) (list_pattern)] @targets
(as_pattern_target [(tuple) (list)] @targets)
(for_in_clause "," @wrong)
(assignment left: [(list_splat_pattern) (pattern_list) (list_pattern)] @wrong type: (_))
(assignment left: (list_splat_pattern) @wrong)
(for_statement left: (list_splat_pattern) @wrong)
(assignment type: (_) right: (assignment) @wrong)
(assignment right: (assignment type: (_)) @wrong)
(assignment right: (augmented_assignment) @wrong)
(augmented_assignment left: (pattern_list) @wrong)
(augmented_assignment right: [(assignment) (augmented_assignment)] @wrong)
"""
_STRINGS = """
(string) @string
(concatenated_string) @strings
"""
# Whether a text may have bytes in quotes at all: most have none.
_BYTES = re.compile(rb"\b[bB][rR]?['\"]|\b[rR][bB]['\"]")
_PREFIX = re.compile(rb"[A-Za-z]*")
# Nodes within nodes that are looked at; beyond 2**16 the query's time is quadratic. People's code has 50.
_MAX_DEPTH = 1000


def is_refused(tree: tree_sitter.Tree, data: bytes) -> bool:
    """Whether Python refuses a text of which tree-sitter made a tree without an error."""
    found = _found(_SUSPECTS, tree)
    arguments = found.get("arguments", ())
    return (
        "wrong" in found
        or not all(map(_are_arguments, arguments))
        or not _are_named_once(data, arguments, found.get("name", ()))
        or not all(_are_parameters(data, node) for node in found.get("parameters", ()))
        or not all(map(_have_one_rest, found.get("targets", ())))
        or (_BYTES.search(data) is not None and not _are_strings(tree, data))
    )


@cache
def language() -> tree_sitter.Language:
    return tree_sitter.Language(tree_sitter_python.language())


@cache
def _query(text: str) -> tree_sitter.Query:
    return tree_sitter.Query(language(), text)


def _found(query: str, tree: tree_sitter.Tree) -> dict[str, list[tree_sitter.Node]]:
    cursor = tree_sitter.QueryCursor(_query(query))
    cursor.set_max_start_depth(_MAX_DEPTH)
    return cursor.captures(tree.root_node)


def _are_arguments(node: tree_sitter.Node) -> bool:
    """Whether no positional argument is behind one by name or behind `**`, and no `*` behind `**`."""
    last = ""
    for child in node.named_children:
        kind = child.type
        if child.is_extra:  # a comment, or a line that goes on
            continue
        if kind in ("keyword_argument", "dictionary_splat"):
            last = kind if last != "dictionary_splat" else last
        elif (last and kind != "list_splat") or (last == "dictionary_splat" and kind == "list_splat"):
            return False
    return True


def _are_named_once(
    data: bytes, arguments: Sequence[tree_sitter.Node], names: Sequence[tree_sitter.Node]
) -> bool:  # fmt: skip
    """Whether no argument of a call is named twice. The list that a name is in is the last one that is open there: to
    ask for its parent, or its text, takes as long as all that there is."""
    lists = sorted((node.start_byte, node.end_byte) for node in arguments)
    known: set[tuple[int, bytes]] = set()
    around: list[tuple[int, int]] = []
    at = 0
    for name in sorted(names, key=lambda node: node.start_byte):
        while at < len(lists) and lists[at][0] < name.start_byte:
            around.append(lists[at])
            at += 1
        while around and around[-1][1] <= name.start_byte:
            around.pop()
        known.add((around[-1][0] if around else -1, data[name.start_byte : name.end_byte]))
    return len(known) == len(names)


def _are_parameters(data: bytes, node: tree_sitter.Node) -> bool:
    """Whether these parameters may stand in this order, each name once."""
    order = _Order()
    names: set[bytes] = set()
    for child in node.named_children:
        if child.is_extra:
            continue
        kind, name = _parameter(child)
        if not order.allows(kind):
            return False
        if name is not None:
            named = data[name.start_byte : name.end_byte]
            if named in names:
                return False
            names.add(named)
    return not order.is_open


def _parameter(node: tree_sitter.Node) -> tuple[str, tree_sitter.Node | None]:
    """What kind of parameter this is, without its type, and where its name is."""
    if node.type in ("default_parameter", "typed_default_parameter"):
        name = node.child_by_field_name("name")
        return "default", name if name is not None and name.type == "identifier" else None
    while node.type in ("typed_parameter", "list_splat_pattern", "dictionary_splat_pattern"):
        inner = next((child for child in node.named_children if not child.is_extra), None)
        if inner is None or node.type != "typed_parameter":
            return node.type, inner if inner is not None and inner.type == "identifier" else None
        node = inner
    return node.type, node if node.type == "identifier" else None


class _Order:
    """The order of parameters.

    Attributes:
        is_open: whether a `*` still needs a parameter by name.
    """

    def __init__(self) -> None:
        self.is_open = False
        self._count = 0
        self._has_slash = self._has_star = self._has_default = self._is_full = False

    def allows(self, kind: str) -> bool:
        """Whether this one may be next."""
        if self._is_full:
            return False
        self._count += 1
        if kind == "positional_separator":
            is_right = self._count > 1 and not self._has_slash and not self._has_star
            self._has_slash = True
            return is_right
        if kind in ("list_splat_pattern", "keyword_separator"):
            is_right = not self._has_star
            self._has_star, self.is_open = True, kind == "keyword_separator"
            return is_right
        if kind == "dictionary_splat_pattern":
            self._is_full = True
            return not self.is_open
        self.is_open = False
        if kind == "default":
            self._has_default = True
        return kind == "default" or not self._has_default or self._has_star


def _have_one_rest(node: tree_sitter.Node) -> bool:
    """Whether of several targets at most one is `*rest`."""
    return sum(child.type in ("list_splat_pattern", "list_splat") for child in node.named_children) <= 1


def _are_strings(tree: tree_sitter.Tree, data: bytes) -> bool:
    """Whether bytes in quotes are ASCII, and stand beside bytes alone."""
    found = _found(_STRINGS, tree)
    for node in found.get("string", ()):
        if _is_bytes(data, node) and not data[node.start_byte : node.end_byte].isascii():
            return False
    return all(
        len({_is_bytes(data, child) for child in node.named_children if child.type == "string"}) <= 1
        for node in found.get("strings", ())
    )


def _is_bytes(data: bytes, node: tree_sitter.Node) -> bool:
    prefix = _PREFIX.match(data, node.start_byte)
    return prefix is not None and b"b" in prefix.group().lower()
