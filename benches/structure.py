"""How the code is built: size of each room, its imports, its largest classes, its longest and most branched functions.

The way of an edit through the modules is told by `benches/way_of_an_edit.py`.
"""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterator
from pathlib import Path

import report

PACKAGE = Path(__file__).resolve().parents[1] / "yp2p"
_BRANCHES = (
    ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.match_case, ast.FunctionDef, ast.AsyncFunctionDef,
)  # fmt: skip
_WITH_ELSE = (ast.For, ast.AsyncFor, ast.While, ast.Try)
Function = ast.FunctionDef | ast.AsyncFunctionDef


def complexity(function: Function) -> int:
    """McCabe's number of a function, as ruff's C901 counts: one, and one a branch, with those of functions in it."""
    nodes = list(ast.walk(function))
    return sum(isinstance(node, _BRANCHES) + (isinstance(node, _WITH_ELSE) and bool(node.orelse)) for node in nodes)


def length(function: Function) -> int:
    """Lines of a function's body, without its docstring, comments counted."""
    body = function.body
    if (
        isinstance(body[0], ast.Expr)
        and isinstance(body[0].value, ast.Constant)
        and isinstance(body[0].value.value, str)
    ):
        body = body[1:]
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def attributes(cls: ast.ClassDef) -> set[str]:
    """What a class keeps: fields, and what its methods set on `self`."""
    found = {
        node.target.id for node in cls.body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    for node in ast.walk(cls):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and isinstance(node.ctx, ast.Store):
            found |= {node.attr} if node.value.id == "self" else set()
    return found


def modules() -> Iterator[tuple[str, str, ast.Module, int]]:
    """Each module: its name without the package, its room, its syntax, its number of lines."""
    for path in sorted(PACKAGE.rglob("*.py")):
        source = path.read_text()
        name = str(path.relative_to(PACKAGE).with_suffix("")).replace("/", ".")
        yield name, name.partition(".")[0] if "." in name else "(top)", ast.parse(source), source.count("\n")


def imports_of(name: str, tree: ast.Module, known: set[str]) -> set[str]:
    """The modules of the package that a module imports when it is loaded: not for types alone, nor inside functions."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE.name:
            source = (node.module or "").removeprefix(PACKAGE.name).lstrip(".")
            for alias in node.names:
                inner = f"{source}.{alias.name}".lstrip(".")
                found.add(inner if inner in known else source if source in known else f"{source}.__init__".lstrip("."))
    return (found & known) - {name}


def floors(trees: dict[str, ast.Module]) -> dict[str, int]:
    """Of each module on which floor it is: one above the highest that it imports, 0 where it imports none."""
    imports = {name: imports_of(name, tree, set(trees)) for name, tree in trees.items()}
    found: dict[str, int] = {}

    def floor(name: str) -> int:
        if name not in found:
            found[name] = max((1 + floor(other) for other in imports[name]), default=0)
        return found[name]

    return {name: floor(name) for name in trees}


def _of_room(on_floor: dict[str, int], room: str) -> list[int]:
    return [floor for name, floor in on_floor.items() if (name.partition(".")[0] if "." in name else "(top)") == room]


def measured() -> dict[str, object]:
    """Everything that is printed."""
    on_floor = floors({name: tree for name, _, tree, _ in modules()})
    rooms: dict[str, list[int]] = {}
    classes: list[tuple[int, int, str]] = []
    functions: list[tuple[int, int, str]] = []
    for name, room, tree, lines in modules():
        rooms.setdefault(room, []).append(lines)
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                methods = sum(isinstance(one, Function) for one in node.body)
                classes.append((len(attributes(node)), methods, f"{name}.{node.name}"))
            elif isinstance(node, Function):
                functions.append((complexity(node), length(node), f"{name}.{node.name}:{node.lineno}"))
    total = sum(map(sum, rooms.values()))
    return {
        "rooms": {
            room: {
                "modules": len(found),
                "lines": sum(found),
                "share": round(100 * sum(found) / total, 1),
                "floors": [min(_of_room(on_floor, room)), max(_of_room(on_floor, room))],
            }
            for room, found in sorted(rooms.items(), key=lambda item: -sum(item[1]))
        },
        "floors": 1 + max(on_floor.values()),
        "classes": [list(found) for found in sorted(classes, reverse=True) if found[0] > 15 or found[1] > 25],
        "complex_functions": [list(found) for found in sorted(functions, reverse=True) if found[0] > 12],
        "long_functions": [list(found) for found in sorted(functions, key=lambda one: -one[1]) if found[1] > 50],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    options = report.parse(parser)
    found = measured()
    if options.json:
        report.publish(options, found)
        return
    for heading, rows in found.items():
        print(f"\n{heading}" + (f": {rows}" if isinstance(rows, int) else ""))
        for row in rows.items() if isinstance(rows, dict) else rows if isinstance(rows, list) else []:
            print("  ", *row)


if __name__ == "__main__":
    main()
