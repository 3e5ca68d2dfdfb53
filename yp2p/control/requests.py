"""A request of the local API, and reading its body: JSON of a known shape, whose strings and numbers are valid.

JSON can express half a surrogate pair, which no text has, and numbers that are too large for everything here. After
this check a string is text; in a field of type `FileName` it is any name that a file can have.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints
from urllib.parse import parse_qs

import msgspec

from yp2p.control.names import is_file_name, is_text

# What SQLite, clocks and files count with; beyond it each of them fails in its own way.
_LARGEST_NUMBER = (1 << 63) - 1
# Of a query.
_MAX_FIELDS = 100

# The name of a file or a directory, or what may be one. Bytes that are no UTF-8 are `\udcXX` escapes, as in Python.
FileName = Annotated[str, msgspec.Meta(extra={"is_file_name": True})]
_Kind = TypeVar("_Kind", bound=msgspec.Struct)


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """A request that says nothing more."""


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody asks: the path without its query, the names of the headers in small letters."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


def request_of(request: Request, kind: type[_Kind]) -> _Kind:
    """The body of a request; of a GET its query.

    Raises:
        msgspec.ValidationError: it is no request of this kind, with the reason.
    """
    try:
        if request.method == "GET":
            found = msgspec.convert(_queried(request.query, kind), kind, strict=False)
        else:
            # The library's own decoder knows names that are not UTF-8 as well, as `\\udcXX` escapes.
            found = msgspec.convert(json.loads(request.body or b"{}"), kind)
    except RecursionError:
        raise msgspec.ValidationError("it is nested too deeply") from None
    except ValueError as error:
        raise msgspec.ValidationError(str(error)) from None
    for fault in _faults(found, kind, "it"):
        raise msgspec.ValidationError(fault)
    return found


def _queried(query: str, kind: type[msgspec.Struct]) -> dict[str, Any]:
    """The fields of a query; those that are lists may be there several times. Raises ValueError."""
    hints = get_type_hints(kind)
    values = parse_qs(query, keep_blank_values=True, errors="surrogateescape", max_num_fields=_MAX_FIELDS)
    return {
        name: found if get_origin(hints.get(name)) is list else found[-1] for name, found in values.items()
    }  # fmt: skip


def _faults(value: Any, hint: Any, where: str) -> Iterator[str]:
    """What is wrong with the strings and numbers in a value that has the shape of its type."""
    match value:
        case msgspec.Struct():
            hints = get_type_hints(type(value), include_extras=True)
            for name in value.__struct_fields__:
                yield from _faults(getattr(value, name), hints[name], f"`{name}`")
        case dict():
            for key, item in value.items():
                yield from _faults(key, str, f"a key of {where}")
                yield from _faults(item, str, where)
        case list():
            for item in value:
                yield from _faults(item, hint, where)
        case str() if _is_of_names(hint) and not is_file_name(value):
            yield f"{where} is {value!r:.100}, which is the name of no file"
        case str() if not _is_of_names(hint) and not is_text(value):
            yield f"{where} is {value!r:.100}, which is no text in UTF-8"
        case int() | float() if not (math.isfinite(value) and abs(value) <= _LARGEST_NUMBER):
            yield f"{where} is {value!r:.40}, which is a number without meaning here"


def _is_of_names(hint: Any) -> bool:
    return hint == FileName or any(_is_of_names(part) for part in get_args(hint))
