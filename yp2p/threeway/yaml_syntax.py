"""Whether a text is YAML, and which names are used in it that nothing has, or that are there twice.

libyaml's events, and no loader: what an alias stands for is not made. Besides, a text that parses can be what nobody
meant, as nearly everything is a plain scalar: `release, pull]` where a list was, or `zeta` with `- gamma` in the line
below. Such a one may be in a text if it was before.
"""

from __future__ import annotations

import re
from collections import Counter

import yaml

try:
    from yaml import CLoader
except ImportError as fault:  # the parser in Python accepts other texts, and is fifty times slower
    raise ImportError("PyYAML is installed without libyaml; install it from a wheel") from fault

from yp2p.threeway.brackets import open_ends

# A key that is the same with quotation marks and without, as `1` and `"1"` are not, nor `no` and `"no"`.
_TEXT = re.compile(r"(?!(?:y|n|yes|no|on|off|true|false|null)$)[a-z_][\w.-]*", re.ASCII | re.IGNORECASE)
# A plain scalar that goes on, in a line that begins as the member of a list.
_MEMBER_BELOW = re.compile(r"\n[ \t]*-[ \t]")


def repeated_names(text: str) -> Counter[str]:
    """Keys and anchors that are there once more, and scalars that nobody means, and how often.

    Raises:
        YAMLError, ValueError: it is no YAML, or names an anchor that it has not.
    """
    twice: Counter[str] = Counter()
    # Of each open mapping its keys, None for a sequence; and how many nodes are in it so far.
    keys: list[set[str] | None] = [None]
    nodes = [0]
    anchors: set[str] = set()
    for event in yaml.parse(text, Loader=CLoader):
        if isinstance(event, yaml.CollectionEndEvent):
            keys.pop()
            nodes.pop()
        elif isinstance(event, yaml.DocumentStartEvent):
            anchors.clear()
        elif isinstance(event, yaml.NodeEvent):
            twice.update(_anchors_twice(event, anchors))
            if isinstance(event, yaml.ScalarEvent):
                twice.update(_unmeant(event, text))
            known = keys[-1]
            if known is not None and nodes[-1] % 2 == 0 and isinstance(event, yaml.ScalarEvent):
                is_plain = event.implicit[0] or _TEXT.fullmatch(event.value)
                key = event.value if is_plain else repr(event.value)
                if key in known and key != "<<":
                    twice[key] += 1
                known.add(key)
            nodes[-1] += 1
            if isinstance(event, yaml.CollectionStartEvent):
                keys.append(set() if isinstance(event, yaml.MappingStartEvent) else None)
                nodes.append(0)
    return twice


def _anchors_twice(event: yaml.NodeEvent, known: set[str]) -> list[str]:
    """An anchor that the document has already: the standard allows it, some programs do not."""
    if event.anchor is None:
        return []
    if isinstance(event, yaml.AliasEvent) and event.anchor not in known:
        raise ValueError("an alias of nothing")
    is_twice = event.anchor in known and not isinstance(event, yaml.AliasEvent)
    known.add(event.anchor)
    return [f"&{event.anchor}"] if is_twice else []


def _unmeant(event: yaml.ScalarEvent, text: str) -> list[str]:
    """A plain scalar with half of a bracket, or with what looks like the member of a list in another line."""
    if event.style or not any(char in event.value for char in "[]{}-"):
        return []
    closed, opened, _ = open_ends(event.value)
    is_torn = any(bracket in closed + opened for bracket in "]}")
    is_list = event.start_mark.line < event.end_mark.line and _MEMBER_BELOW.search(
        text, event.start_mark.index, event.end_mark.index
    )
    return [f"a scalar: {event.value}"] if is_torn or is_list else []
