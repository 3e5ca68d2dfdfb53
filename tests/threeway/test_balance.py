"""Program text in languages that nothing here parses: brackets stay in pairs, and members of lists are parted."""

from __future__ import annotations

import pytest

from yp2p.threeway.balance import Balance
from yp2p.threeway.merge import merge

FUNCTION = "function f() {\n  one();\n  two();\n}\n"
# A name; the file, and what the base, one side and the other one have.
CLOSED = {
    "a block around two lines, and around one of them": (
        "x.js",
        FUNCTION,
        "function f() {\n  if (a) {\n    one();\n    two();\n  }\n}\n",
        "function f() {\n  one();\n  if (b) {\n    two();\n  }\n}\n",
    ),
    "a line in two blocks": (
        "x.go",
        "func f() {\n\tone()\n}\n",
        "func f() {\n\tif a {\n\t\tone()\n\t}\n}\n",
        "func f() {\n\tfor b {\n\t\tone()\n\t}\n}\n",
    ),
    "a block that one took out and the other put into one": (
        "x.c",
        "int f(void)\n{\n  if (a) {\n    one();\n  }\n  return two();\n}\n",
        "int f(void)\n{\n  one();\n  return two();\n}\n",
        "int f(void)\n{\n  if (a) {\n    while (b) {\n      one();\n    }\n  }\n  return two();\n}\n",
    ),
    "a shell's function, where a case has half a pair": (
        "x.sh",
        "f() {\n  case $1 in\n    a) one ;;\n  esac\n}\n",
        "f() {\n  {\n    case $1 in\n      a) one ;;\n    esac\n  }\n}\n",
        "f() {\n  case $1 in\n    a) { one; two; } ;;\n    b) three ;;\n  esac\n}\n",
    ),
}
LISTS = {
    "columns that are asked for": ("x.sql", "select\n  a,\n  b\nfrom t;\n", "  b\n", "  b,\n  c\n", "  b,\n  d\n"),
    "columns of a table": (
        "x.sql",
        "create t (\n  a int\n);\n",
        "  a int\n",
        "  a int,\n  b int\n",
        "  a int,\n  d i\n",
    ),
    "an object": ("x.js", "f({\n  a: 1\n});\n", "  a: 1\n", "  a: 1,\n  b: 2\n", "  a: 1,\n  c() { return 3; }\n"),
    "a command that goes on": ("x.sh", "run \\\n  -a\nthen\n", "  -a\n", "  -a \\\n  -b\n", "  -a \\\n  -c\n"),
    "in a Makefile": ("Makefile", "SOURCES = \\\n\ta.c\n", "\ta.c\n", "\ta.c \\\n\tb.c\n", "\ta.c \\\n\tc.c\n"),
}


@pytest.mark.parametrize("name", CLOSED)
def test_brackets_stay_in_pairs(name: str) -> None:
    path, base, ours, theirs = CLOSED[name]
    merged = merge(path, base, ours, theirs)
    assert merged.text.count("{") == merged.text.count("}")
    assert merged.text == merge(path, base, theirs, ours).text
    assert merged.told


@pytest.mark.parametrize("name", LISTS)
def test_what_both_put_in_last_is_parted(name: str) -> None:
    path, base, last, *sides = LISTS[name]
    ours, theirs = (base.replace(last, side) for side in sides)
    merged = merge(path, base, ours, theirs)
    sign = "\\" if "\\" in base else ","
    rows = merged.text.split("\n")
    first = rows.index(last.removesuffix("\n") + (" \\" if sign == "\\" else ","))
    assert rows[first + 1].endswith(sign)
    assert not rows[first + 2].endswith(sign)
    added = {side.split("\n")[1].strip() for side in sides}
    assert {row.removesuffix(sign).strip() for row in rows[first + 1 : first + 3]} == added
    assert merged.text == merge(path, base, theirs, ours).text


@pytest.mark.parametrize(
    ("path", "line"),
    [("x.md", "fruit,\n"), ("x.sql", "  b, -- the last\n"), ("x.js", "  b\n")],
    ids=["prose", "a comment behind it", "no comma before"],
)
def test_nothing_parts_lines_that_are_no_list(path: str, line: str) -> None:
    base = f"head\n{line}tail\n"
    ours, theirs = f"head\n{line}apples // one\ntail\n", f"head\n{line}pears // two\ntail\n"
    assert set(merge(path, base, ours, theirs).text.split("\n")) <= {*ours.split("\n"), *theirs.split("\n")}


def test_a_kind_that_a_side_has_not_in_pairs_tells_nothing() -> None:
    balance = Balance(["case a) { x; }", "case b) { y; }"])
    assert balance.is_needed
    assert balance(["case a) case b) ", "{ z; }"])
    assert not balance(["case a) { x; "])
    assert not balance(["} x; {"])
    assert not Balance(["(", "x"]).parses_at_last(["{"])


def test_a_budget_that_ran_out_says_no() -> None:
    balance = Balance(["{}", "{}"])
    assert all(balance(["{}"]) for _ in range(30))
    assert not balance(["{}"])
    assert not balance.has_budget
    assert balance.parses_at_last(["{}"])
