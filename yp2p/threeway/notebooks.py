"""Notebooks merge by cells (nbformat 4), where git would ask.

Cells are the same cell by their `id`, else by what they say. Of each cell its source merges like a text; what running
it left (outputs and execution count) belongs together and is one side's, the one that ran it last. Everything else
merges key by key.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from yp2p.threeway.sequences import differences

_RUN = ("outputs", "execution_count")


def merge_notebooks(base: str, ours: str, theirs: str, merge_text: Callable[[str, str, str], str]) -> str | None:
    """The merged notebook; None where one of them is none, or is not written the way that notebooks are.

    Args:
        merge_text: merges the source of a cell, given base, ours and theirs.
    """
    try:
        books = [json.loads(text) for text in (base, ours, theirs)]
    except (ValueError, RecursionError):
        return None
    if any(not _is_notebook(book) for book in books):
        return None
    indent = next((i for i in (1, 2, 4, None) if _written(books[0], i) == base), 0)
    if indent == 0 or _written(books[1], indent) != ours or _written(books[2], indent) != theirs:
        return None
    merged = _merge_values(books[0], books[1], books[2], ("cells",))
    base_cells, cells_ours, cells_theirs = (book["cells"] for book in books)
    merged["cells"] = _merge_cells(base_cells, cells_ours, cells_theirs, merge_text)
    return _written({key: merged[key] for key in sorted(merged)} if _is_sorted(books[0]) else merged, indent)


def _is_notebook(book: Any) -> bool:
    return (
        isinstance(book, dict)
        and isinstance(book.get("cells"), list)
        and all(isinstance(c, dict) and isinstance(c.get("source"), list | str) for c in book["cells"])
    )


def _is_sorted(book: dict[str, Any]) -> bool:
    return list(book) == sorted(book)


def _written(book: Any, indent: int | None) -> str:
    return json.dumps(book, indent=indent, ensure_ascii=False) + "\n"


def _merge_values(base: Any, ours: Any, theirs: Any, besides: Sequence[str] = ()) -> Any:
    if ours == theirs or theirs == base:
        return ours
    if ours == base:
        return theirs
    if isinstance(ours, dict) and isinstance(theirs, dict):
        known = base if isinstance(base, dict) else {}
        result: dict[str, Any] = {}
        for key in [*ours, *(key for key in theirs if key not in ours)]:
            if key in besides:
                result[key] = None
                continue
            values = [side.get(key, _ABSENT) for side in (known, ours, theirs)]
            value = _merge_values(*values)
            if value is not _ABSENT:
                result[key] = value
        return result
    if ours is _ABSENT or theirs is _ABSENT:
        return theirs if ours is _ABSENT else ours
    return max(ours, theirs, key=lambda value: json.dumps(value, sort_keys=True))


_ABSENT: Any = object()


def _source(cell: dict[str, Any]) -> str:
    source = cell["source"]
    return source if isinstance(source, str) else "".join(map(str, source))


def _merge_cells(
    base: list[Any], ours: list[Any], theirs: list[Any], merge_text: Callable[[str, str, str], str]
) -> list[Any]:
    names = [_names(cells) for cells in (base, ours, theirs)]
    found = [dict(zip(n, cells, strict=True)) for n, cells in zip(names, (base, ours, theirs), strict=True)]
    result: list[Any] = []
    for name in _merged_order(names[1], names[2]):
        was, here, there = (side.get(name) for side in found)
        if here is None or there is None:
            # Removed here and changed there: what was changed stands.
            kept = here if here is not None else there
            if kept is not None and (was is None or kept != was):
                result.append(kept)
            continue
        result.append(_merge_cell(was or {}, here, there, merge_text))
    return result


def _names(cells: list[Any]) -> list[str]:
    """A name for each cell, that it has in all three notebooks."""
    count: Counter[str] = Counter()
    names: list[str] = []
    for cell in cells:
        name = f"id {cell['id']}" if isinstance(cell.get("id"), str) else f"source {_source(cell)}"
        count[name] += 1
        names.append(f"{count[name]} {name}")
    return names


def _merged_order(ours: list[str], theirs: list[str]) -> list[str]:
    """The cells of both, in order: theirs that ours lacks stand behind what they follow."""
    known = set(ours)
    order: list[str] = []
    at = 0
    for change in differences(ours, theirs):
        order += ours[at : change.old_stop]
        order += [name for name in theirs[change.new_start : change.new_stop] if name not in known]
        at = change.old_stop
    return [*order, *ours[at:]]


def _merge_cell(
    base: dict[str, Any], ours: dict[str, Any], theirs: dict[str, Any], merge_text: Callable[[str, str, str], str]
) -> dict[str, Any]:
    merged: dict[str, Any] = _merge_values(base, ours, theirs, ("source", *_RUN))
    text = merge_text(_source(base) if base else "", _source(ours), _source(theirs))
    as_lines = isinstance(ours["source"], list)
    ran = _last_run(base, ours, theirs)
    for key in merged:
        if key == "source":
            merged[key] = text.splitlines(keepends=True) if as_lines else text
        elif key in _RUN:
            merged[key] = ran.get(key)
    return merged


def _last_run(base: dict[str, Any], ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    runs = [{key: cell.get(key) for key in _RUN} for cell in (base, ours, theirs)]
    if runs[1] == runs[0]:
        return runs[2]
    if runs[2] == runs[0]:
        return runs[1]
    return max(runs[1:], key=lambda run: (_number(run["execution_count"]), json.dumps(run, sort_keys=True)))


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0
