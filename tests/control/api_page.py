"""The page of the local API, docs/api.md, made of the routes, the structs of their bodies, the events, and the samples.

    PYTHONPATH=.:tests python -m control.api_page docs/api.md

writes it anew; a test compares. What is said of a route is the docstring of its handler; what is said of all of them is
in `api_head.md` and `api_events.md` beside this file.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin, get_type_hints

import msgspec
import trio
from control.samples import FILE, STATED, STATED_EVENTS

from yp2p.control.app import make_app
from yp2p.control.requests import FileName
from yp2p.control.routes import Route
from yp2p.device.events import KINDS
from yp2p.errors import EXIT_CODES

_WIDTH = 110
_MOST_ITEMS = 2  # of a list that is shown
_LONGEST = 160  # of a string that is shown
_NAMES = {str: "text", int: "whole number", float: "number", bool: "true or false", dict: "object", type(None): "null"}
_SECTIONS = {
    "The device and what it does": (
        "status", "wait", "events", "stop", "notices", "limits", "doctor", "check", "settings", "logs", "metrics",
    ),
    "The page": ("page",),
    "Sharing and joining": ("share", "join", "invite", "recovery"),
    "Folders": ("folder", "agree", "revert"),
    "Devices": ("devices", "device"),
    "Programs that read and edit": ("read", "edit", "files"),
    "History": ("undo", "redo", "history", "bookmarks", "conflicts", "trash", "purge", "purges"),
}  # fmt: skip
_OTHER = "More"
_HERE = Path(__file__).parent


class _NoDevice:
    """What is not asked."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError("nothing is asked of a device here")


def routes() -> list[Route]:
    return list(make_app(cast(Any, _NoDevice()), trio.Event(), cast(Any, _NoDevice()), cast(Any, _NoDevice())).all)


def samples() -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """Of requests and of events."""
    found = json.loads(FILE.read_text())
    return STATED | found["answers"], STATED_EVENTS | found["events"]


def page() -> str:
    """All of it."""
    return "\n".join([*_lines()]).rstrip("\n") + "\n"


def _lines() -> Iterator[str]:
    answers, events = samples()
    yield from (_HERE / "api_head.md").read_text().splitlines()
    yield from (
        "",
        "| code | meaning |",
        "| --- | --- |",
        *(f"| {code} | {text} |" for code, text in EXIT_CODES.items()),
    )
    sections: dict[str, list[Route]] = {}
    for route in sorted(routes(), key=lambda one: one.path):
        sections.setdefault(_section(route.path), []).append(route)
    yield from ("", "## Requests", "", "| request | |", "| --- | --- |")
    for title in (*_SECTIONS, _OTHER):
        for route in sections.get(title, ()):
            anchor = re.sub(r"[^a-z0-9 -]", "", f"{route.method} {route.path}".lower()).replace(" ", "-")
            yield f"| [`{route.method} {route.path}`](#{anchor}) | {_summary(route)} |"
    for title in (*_SECTIONS, _OTHER):
        if title in sections:
            yield from ("", f"## {title}")
        for route in sections.get(title, ()):
            yield from _of_route(route, answers.get(f"{route.method} {route.path}"))
    yield ""
    yield from (_HERE / "api_events.md").read_text().splitlines()
    yield from _of_events(events)


def _section(path: str) -> str:
    first = path.split("/")[2]
    return next((title for title, words in _SECTIONS.items() if first in words), _OTHER)


def _summary(route: Route) -> str:
    return route.about.split("\n\n")[0].replace("\n", " ")


def _of_route(route: Route, sample: dict[str, Any] | None) -> Iterator[str]:
    yield from ("", f"### `{route.method} {route.path}`", "")
    yield from route.about.splitlines()
    if route.kind is not None and (fields := list(_fields(route.kind))):
        yield from ("", "| field | | where it is left out |", "| --- | --- | --- |", *fields)
    if sample is not None:
        yield ""
        yield from _sample(route, sample)


def _fields(kind: type[msgspec.Struct]) -> Iterator[str]:
    hints = get_type_hints(kind, include_extras=True)
    for field in msgspec.structs.fields(kind):
        default = "needed"
        if field.default is not msgspec.NODEFAULT:
            default = "" if field.default is None else f"`{json.dumps(field.default)}`"
        elif field.default_factory is not msgspec.NODEFAULT:
            made = field.default_factory()
            default = "" if isinstance(made, msgspec.Struct) else f"`{json.dumps(made)}`"
        yield f"| `{field.name}` | {type_text(hints[field.name])} | {default} |"


def type_text(hint: Any) -> str:
    """A type in words."""
    if hint == FileName:
        return "file name or path"
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return type_text(arguments[0])
    if origin is Literal:
        return " or ".join(f"`{json.dumps(value)}`" for value in arguments)
    if origin is list:
        return f"list of {type_text(arguments[0])}"
    if origin in (Union, types.UnionType):
        return " or ".join(type_text(one) for one in arguments if one is not type(None))
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        hints = get_type_hints(hint, include_extras=True)
        return "object of " + ", ".join(f"`{name}` ({type_text(one)})" for name, one in hints.items())
    return _NAMES[origin or hint]


def _sample(route: Route, sample: dict[str, Any]) -> Iterator[str]:
    body, answer = sample["body"], sample["answer"]
    if body:
        yield from ("```json", *_shown(body), "```", "", "is answered with", "")
    if isinstance(answer, str):
        yield from ("```", *answer.splitlines()[:8], "...", "```")
    else:
        yield from ("```json", *_shown(answer), "```")


def _of_events(events: dict[str, dict[str, Any]]) -> Iterator[str]:
    yield from ("| field | | |", "| --- | --- | --- |", "| `kind` | text | which of these events it is |")
    common = {name for name in KINDS["lost"].__struct_fields__ if name in ("id", "at")}
    yield from _event_fields(KINDS["lost"], common)
    for kind, made in KINDS.items():
        yield from ("", f"### `{kind}`", "", *(inspect.getdoc(made) or "").splitlines())
        if own := set(made.__struct_fields__) - common:
            yield from ("", "| field | | |", "| --- | --- | --- |", *_event_fields(made, own))
        if kind in events:
            yield from ("", "```json", *_shown(events[kind]), "```")


def _event_fields(kind: type[msgspec.Struct], names: set[str]) -> Iterator[str]:
    hints = get_type_hints(kind, include_extras=True)
    for name in kind.__struct_fields__:
        if name in names:
            hint = hints[name]
            meta = [one for one in get_args(hint)[1:] if isinstance(one, msgspec.Meta)] if _is_annotated(hint) else []
            about = meta[0].description if meta else ""
            or_null = " or null" if type(None) in get_args(get_args(hint)[0] if _is_annotated(hint) else hint) else ""
            yield f"| `{name}` | {type_text(hint)}{or_null} | {about} |"


def _is_annotated(hint: Any) -> bool:
    return get_origin(hint) is Annotated


# --- samples, as people read them ------------------------------------------------------------------------------------


def _shown(value: Any) -> list[str]:
    return _laid_out(_shortened(value), "")


def _shortened(value: Any) -> Any:
    """Long lists and texts are cut off."""
    if isinstance(value, dict):
        return {key: _shortened(item) for key, item in value.items()}
    if isinstance(value, list):
        cut = [_shortened(item) for item in value[:_MOST_ITEMS]]
        return (
            [*cut, "..."]
            if len(value) > _MOST_ITEMS and not all(isinstance(one, int | float) for one in value)
            else cut
        )
    if isinstance(value, str) and len(value) > _LONGEST:
        return value[:_LONGEST] + "..."
    return value


def _laid_out(value: Any, indent: str) -> list[str]:
    """JSON in lines: what fits is on one."""
    whole = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(whole) <= _WIDTH or not value or not isinstance(value, dict | list):
        return [whole]
    opening, closing = ("{", "}") if isinstance(value, dict) else ("[", "]")
    lines = [opening]
    items = list(value.items()) if isinstance(value, dict) else [(None, item) for item in value]
    for number, (key, item) in enumerate(items):
        first, *rest = _laid_out(item, indent + "  ")
        name = f"{json.dumps(key)}: " if key is not None else ""
        part = [f"{indent}  {name}{first}", *rest]
        part[-1] += "," if number < len(items) - 1 else ""
        lines += part
    return [*lines, f"{indent}{closing}"]


def main() -> None:
    Path(sys.argv[1]).write_text(page())


if __name__ == "__main__":
    sys.exit(main())
