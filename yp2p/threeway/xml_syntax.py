"""Whether a text is XML, also with a document type, and which names are used in it that nothing declares.

What a document type declares costs nothing to write down and much to read: an entity stands for a long text wherever
it is named, in others as well, and an attribute with a default is there in each element. So nothing is read from
elsewhere, an entity that names another one ends the look, and so does a type for which what it declares times what is
in the text is more than a person's drawing has (`_MAX_DECLARED`): such a text counts as one that does not parse, so the
result of that merge need not.

An entity that nothing in the text declares may be declared elsewhere, if the type says so: it counts as a name that a
text may use if it was used before.
"""

from __future__ import annotations

import re
from collections import Counter
from xml.parsers import expat

# Bytes of entities, times `&`, and declared attributes, times `<`: an eighth of a second. From 8 MB on newer versions
# of expat stop by themselves, so it has to be less. A drawing of a usual program has 1,000 bytes and 10 times `&`.
_MAX_DECLARED = 4_000_000
_MAX_DECLARATIONS = 10_000
# What is no entity that a type declares.
_PREDEFINED = re.compile("&(?:lt|gt|amp|apos|quot);")


class _Declared:
    """What a document type declares so far."""

    def __init__(self, text: str) -> None:
        self._references, self._elements = text.count("&"), text.count("<")
        self._bytes = self._attributes = self._declarations = 0

    def entity(self, name: str, is_parameter: bool, value: str | None, *elsewhere: str | None) -> None:
        if value is not None and not is_parameter:  # else it is not read
            if "&" in _PREDEFINED.sub("", value):
                raise ValueError(f"the entity {name} names another one")
            self._bytes += len(value.encode())
        self._count()

    def attribute(self, *declared: object) -> None:
        self._attributes += 1
        self._count()

    def _count(self) -> None:
        self._declarations += 1
        read = max(self._bytes * self._references, self._attributes * self._elements)
        if self._declarations > _MAX_DECLARATIONS or read > _MAX_DECLARED:
            raise ValueError("more in the document type than is read")


def undeclared_names(text: str) -> Counter[str]:
    """The names that nothing in the text declares: of namespaces, and of entities.

    Raises:
        ExpatError, ValueError: it is no XML, or there is too much in its document type.
    """
    try:
        # Names are put together with a character that no document has: with others, versions of expat differ.
        return _parsed(text, "\x01")
    except expat.ExpatError:
        return _parsed(text, None) | Counter({"a name outside of all namespaces": 1})


def _parsed(text: str, separator: str | None) -> Counter[str]:
    unknown: Counter[str] = Counter()

    def skip(name: str, is_parameter: bool) -> None:
        unknown[f"&{name};"] = 1

    parser = expat.ParserCreate("utf-8", separator)
    declared = _Declared(text)
    parser.EntityDeclHandler = declared.entity
    parser.AttlistDeclHandler = declared.attribute
    parser.SkippedEntityHandler = skip
    parser.Parse(text.encode(), True)
    return unknown
