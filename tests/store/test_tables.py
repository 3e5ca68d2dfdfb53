"""The SQL of each table is in the module of its name, and nowhere else."""

from __future__ import annotations

import ast
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import yp2p
from yp2p.identity import FolderID
from yp2p.store import tables

_NEVER_LEFT = "room"  # a table that is made and dropped at once
_OF_ALL = "catalogue"  # how long the tables are

PACKAGE = Path(yp2p.__file__).parent
TABLES = PACKAGE / "store" / "tables"
_CHANGES = re.compile(r"\b(?:INSERT (?:OR \w+ )?INTO|UPDATE|DELETE FROM) (\w+)")
_SQL = re.compile(r"\bSELECT\b.+|\bFROM \w+ WHERE\b|\bINSERT (?:OR \w+ )?INTO\b|\bUPDATE \w+ SET\b|\bDELETE FROM\b")


def _schema() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.executescript((PACKAGE / "store" / "schema.sql").read_text())
    return connection


def _texts(path: Path) -> Iterator[str]:
    """The string constants of a module, but its docstrings."""
    tree = ast.parse(path.read_text())
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {ast.get_docstring(node, clean=False) for node in ast.walk(tree) if isinstance(node, documented)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value not in docstrings:
            yield node.value


def test_every_table_has_its_module() -> None:
    query = "SELECT name FROM sqlite_schema WHERE type = 'table'"
    assert set(tables.__all__) == {name for (name,) in _schema().execute(query)}
    assert {path.stem for path in TABLES.glob("*.py")} == {*tables.__all__, "__init__", _NEVER_LEFT, _OF_ALL}


def test_a_module_changes_its_own_table_alone() -> None:
    for path in TABLES.glob("*.py"):
        for text in _texts(path):
            assert set(_CHANGES.findall(text)) <= {path.stem}, path


def test_what_is_inserted_has_as_many_values_as_the_table_has_columns() -> None:
    schema = _schema()
    for name in tables.__all__:
        columns = len(schema.execute(f"PRAGMA table_info({name})").fetchall())
        for text in _texts(TABLES / f"{name}.py"):
            for values in re.findall(r"INTO \w+ (?:VALUES \(|SELECT )([^)A-Z]+)", text):
                assert len(values.split(",")) == columns, name


def test_there_is_no_sql_elsewhere() -> None:
    for path in PACKAGE.rglob("*.py"):
        if TABLES in path.parents:
            continue
        found = [text for text in _texts(path) if _SQL.search(text)]
        assert not found, (path.relative_to(PACKAGE), found)


def test_what_is_a_folders_goes_with_it() -> None:
    """Every table that says which folder its rows are of is emptied of them; what remembers that it went, stays."""
    schema = _schema()
    of_folder = {
        name for name in tables.__all__
        if "folder" in [column for _, column, *_ in schema.execute(f"PRAGMA table_info({name})")]
    }  # fmt: skip
    assert {*tables.OF_FOLDER} == of_folder - {"departed"}
    mine, theirs = FolderID(bytes(16)), FolderID(b"t" * 16)
    for name in tables.OF_FOLDER:
        info = schema.execute(f"PRAGMA table_info({name})").fetchall()
        for number, folder in enumerate((mine, theirs)):
            values = [folder if row[1] == "folder" else _value(row[2], number) for row in info]
            schema.execute(f"INSERT INTO {name} VALUES ({', '.join('?' for _ in values)})", values)
    schema.execute("INSERT INTO aside (at, row) SELECT 0, 'rules(' || quote(?) || ')'", (mine,))
    schema.execute("INSERT INTO aside (at, row) SELECT 0, 'rules(' || quote(?) || ')'", (theirs,))
    for sql, parameters in tables.forget_folder(mine):
        schema.execute(sql, parameters)
    for name in tables.OF_FOLDER:
        assert schema.execute(f"SELECT folder FROM {name}").fetchall() == [(theirs,)], name
    assert schema.execute("SELECT count(*) FROM aside").fetchall() == [(1,)]


def _value(kind: str, number: int) -> object:
    return {"BLOB": bytes([number]), "TEXT": str(number), "INTEGER": number, "REAL": float(number)}[kind]
