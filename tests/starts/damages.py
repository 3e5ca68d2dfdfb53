"""One thing damaged or foreign in a store or in a folder: what a disk, a crash, a tool or a hand leaves behind."""

from __future__ import annotations

import os
import random
import shutil
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from starts.template import MAIN, OTHER, Pair, folder_id

from yp2p.store import tables

# What stands in the place of a value of each type.
_GARBAGE = {
    "BLOB": ("x''", "x'ff'", "randomblob(33)", "randomblob(length({0}))", "substr({0}, 1, length({0}) / 2)"),
    "INTEGER": ("-7", "0", "9223372036854775807"),
    "TEXT": ("''", "CAST(x'ff00ff' AS TEXT)", "'../../x'"),
    "REAL": ("-1e300", "1e300"),
}
_MORE = 150


@dataclass(frozen=True, slots=True)
class Case:
    """One damage.

    Attributes:
        says: what the daemon has to say, as a regular expression; empty where nothing is set aside, or nobody can know.
        touched: paths in the folder `main` that are not what they were for the damage's own sake.
        syncs: the folders that go on.
        first_compares: what was lost takes a comparison with the other device: nobody edits anything before.
        refusal: the exit code of a start that has to be refused, with a sentence; 0: it starts.
    """

    name: str
    damage: Callable[[Pair], None]
    says: str = ""
    touched: frozenset[str] = frozenset()
    syncs: tuple[str, ...] = (OTHER, MAIN)
    refusal: int = 0
    first_compares: bool = False


def _in_store(*statements: str) -> Callable[[Pair], None]:
    def damage(pair: Pair) -> None:
        with closing(sqlite3.connect(pair.victim.home / "store.db", isolation_level=None)) as store:
            store.create_function("main_id", 0, lambda: folder_id(store))
            for statement in statements:
                store.execute(statement)

    return damage


def _on_disk(change: Callable[[Path], object], where: Callable[[Pair], Path]) -> Callable[[Pair], None]:
    return lambda pair: change(where(pair)) and None


# --- rows of the store ---------------------------------------------------------------------------------------------

# Of `main` a row that is not about a file that is compared, where a table has such rows.
_ROW_OF = {
    "file": "path = CAST('victim.txt' AS BLOB) AND folder = main_id()",
    "folder": "label = 'main'",
    "statement": "folder = main_id()",
    "digest": "folder = main_id() AND document = (SELECT document FROM file WHERE path = CAST('victim.txt' AS BLOB) "
              "AND folder = main_id())",
    "log": "seq = (SELECT max(l.seq) FROM log l JOIN file f ON f.document = l.document AND f.folder = l.folder "
           "WHERE f.path = CAST('victim.txt' AS BLOB) AND f.folder = main_id())",
}  # fmt: skip


def _columns() -> Iterator[tuple[str, str, str]]:
    schema = Path(tables.__file__).parent.parent / "schema.sql"
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(schema.read_text())
        for table in tables.__all__:
            for _, column, kind, *_ in connection.execute(f"PRAGMA table_info({table})"):
                yield table, column, kind


def _one(table: str, column: str) -> str:
    return _ROW_OF.get(table, f"{column} = (SELECT max({column}) FROM {table})")


def _row_damages() -> Iterator[Case]:
    for table, column, kind in _columns():
        for garbage in _GARBAGE[kind] if table != "aside" else ():
            sql = f"UPDATE OR IGNORE {table} SET {column} = {garbage.format(column)} WHERE {_one(table, column)}"
            # Whether it can be told from a sound value depends on the column: what is set aside says so by itself.
            yield Case(
                f"{table}.{column}={garbage.format(column)}",
                _in_store(sql),
                syncs=(OTHER,) if table in ("folder", "statement") else (OTHER, MAIN),
            )


def _missing_rows() -> Iterator[Case]:
    for table in tables.__all__:
        if table not in ("aside", "owner", "folder"):
            yield Case(f"{table}: a row is missing", _in_store(f"DELETE FROM {table} WHERE {_one(table, 'rowid')}")
                       if table in _ROW_OF or table in ("notice", "step", "pack", "start")
                       else _in_store(f"DELETE FROM {table} WHERE {_first_column(table)} IN "
                                      f"(SELECT {_first_column(table)} FROM {table} LIMIT 1)"))  # fmt: skip
        if table not in ("aside", "folder", "statement"):
            yield Case(
                f"{table}: every row is missing", _in_store(f"DELETE FROM {table}"),
                first_compares=table in ("log", "file"),
            )  # fmt: skip
    no_members = "DELETE FROM statement WHERE folder = main_id()"
    yield Case("statement: no members", _in_store(no_members), says="members.*join", syncs=(OTHER,))
    yield Case("folder: a row is missing", _in_store("DELETE FROM folder WHERE label = 'main'"), syncs=(OTHER,))


def _first_column(table: str) -> str:
    return next(column for name, column, _ in _columns() if name == table and column != "folder")


def _foreign_rows() -> Iterator[Case]:
    for table, columns in _by_table().items():
        if "folder" in columns and table not in ("log", "step", "pack", "notice"):
            values = ", ".join("randomblob(16)" if name == "folder" else name for name in columns)
            yield Case(f"{table}: a row of a folder that is not here",
                       _in_store(f"INSERT OR IGNORE INTO {table} SELECT {values} FROM {table} LIMIT 1"))  # fmt: skip
    yield Case(
        "log: a row of a folder that is not here",
        _in_store(
            "INSERT INTO log SELECT max(seq) + 1, randomblob(16), document, origin, received, data, crc FROM log"
        ),
    )
    yield Case(
        "log: a row twice",
        _in_store("INSERT INTO log SELECT max(seq) + 1, folder, document, origin, received, data, crc FROM log"),
    )
    yield Case(
        "log: an update of another document",
        _in_store(
            "INSERT INTO log SELECT (SELECT max(seq) + 1 FROM log), folder, (SELECT document FROM file WHERE path = "
            "CAST('victim.txt' AS BLOB) AND folder = main_id()), origin, received, data, crc FROM log "
            "WHERE folder = main_id() LIMIT 1"
        ),
        touched=frozenset({"victim.txt"}),
    )
    yield Case(
        "log: a document that no entry names",
        _in_store(
            "INSERT INTO log SELECT (SELECT max(seq) + 1 FROM log), folder, randomblob(16), origin, received, data, crc"
            " FROM log WHERE folder = main_id() LIMIT 1"
        ),
    )


def _by_table() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for table, column, _ in _columns():
        found.setdefault(table, []).append(column)
    return found


def _schemas() -> Iterator[Case]:
    yield Case(
        "a table of somebody else's",
        _in_store("CREATE TABLE foreign_table (x)", "INSERT INTO foreign_table VALUES (1)"),
    )
    yield Case("a view of somebody else's", _in_store("CREATE VIEW foreign_view AS SELECT 1"))
    yield Case("an index of somebody else's", _in_store("CREATE INDEX foreign_index ON log (received)"))
    yield Case("the index of the log is missing", _in_store("DROP INDEX log_document"))
    for table in tables.__all__:
        if table not in ("log", "file", "folder", "owner", "statement"):
            yield Case(f"the table {table} is missing", _in_store(f"DROP TABLE {table}"), says="store|table")
    yield Case("a column too many", _in_store("ALTER TABLE day ADD COLUMN foreign_column TEXT"))
    yield Case("a newer store", _in_store("PRAGMA user_version = 9999"), says="newer yp2p", refusal=10)
    yield Case(
        "somebody else's database", _in_store("PRAGMA application_id = 7"), says="not a store of yp2p", refusal=7
    )


# --- files of the store --------------------------------------------------------------------------------------------


def _overwrite(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def _store_page(number: int) -> Callable[[Pair], None]:
    def damage(pair: Pair) -> None:
        store = pair.victim.home / "store.db"
        _overwrite(store, number * 4096, random.Random(number).randbytes(4096))

    return damage


def _root_page(table: str) -> Callable[[Pair], None]:
    def damage(pair: Pair) -> None:
        store = pair.victim.home / "store.db"
        with closing(sqlite3.connect(store)) as connection:
            number = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone()[0]
        _overwrite(store, (number - 1) * 4096, random.Random(number).randbytes(4096))

    return damage


def _log_leaf(number: int) -> Callable[[Pair], None]:
    """A page of the log that has rows, and not all of them."""

    def damage(pair: Pair) -> None:
        store = pair.victim.home / "store.db"
        with closing(sqlite3.connect(store)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        data = store.read_bytes()
        pages = [
            at for at in range(4096, len(data), 4096) if data[at] == 0x0D and b"yp2p-manifest" in data[at : at + 4096]
        ]
        _overwrite(store, pages[number * len(pages) // 4], random.Random(number).randbytes(4096))

    return damage


def _flip(pair: Pair) -> None:
    """A byte in the middle of a text in the log."""
    store = pair.victim.home / "store.db"
    data = store.read_bytes()
    at = data.rindex(b"may be damaged")
    _overwrite(store, at, b"MAY")


def _cut(share: float) -> Callable[[Pair], None]:
    def damage(pair: Pair) -> None:
        store = pair.victim.home / "store.db"
        os.truncate(store, int(store.stat().st_size * share) // 4096 * 4096 + (100 if share == 0.5 else 0))

    return damage


def _home(name: str, change: Callable[[Path], object]) -> Callable[[Pair], None]:
    return _on_disk(change, lambda pair: pair.victim.home / name)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _directory(path: Path) -> None:
    _remove(path)
    path.mkdir()
    (path / "inside").write_bytes(b"x")


def _fifo(path: Path) -> None:
    _remove(path)
    os.mkfifo(path)


def _dangling(path: Path) -> None:
    _remove(path)
    path.symlink_to("/nowhere/at/all")


def _loop(path: Path) -> None:
    _remove(path)
    path.symlink_to(path.name)


def _socket(path: Path) -> None:
    _remove(path)
    directory = os.open(path.parent, os.O_PATH)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(f"/proc/self/fd/{directory}/{path.name}")
    os.close(directory)


def _device(path: Path) -> None:
    _remove(path)
    os.mknod(path, 0o600 | 0o020000, os.makedev(1, 3))  # as /dev/null is


def _writes(data: bytes) -> Callable[[Path], object]:
    def change(path: Path) -> None:
        _remove(path)
        path.write_bytes(data)

    return change


def _store_files() -> Iterator[Case]:
    damaged, all_lost = "store_salvaged", "Share or join again"
    yield Case("the store is gone", _home("store.db", _remove), says="store_missing", syncs=())
    yield Case("the store is empty", _home("store.db", _writes(b"")), says=all_lost, syncs=())
    yield Case("the store is zeros", _home("store.db", _writes(bytes(65536))), says=all_lost, syncs=())
    yield Case(
        "the store is no database", _home("store.db", _writes(b"not a database\n" * 999)), says=all_lost, syncs=()
    )
    yield Case("the store is a directory", _home("store.db", _directory), says=all_lost, syncs=())
    yield Case("the store is a FIFO", _home("store.db", _fifo), says=all_lost, syncs=())
    yield Case("the store is a link to nowhere", _home("store.db", _dangling), says="store", refusal=1)
    for share in (0.1, 0.5, 0.9):
        yield Case(f"the store ends at {share:.0%}", _cut(share), says=damaged, syncs=())
    yield Case("page 0 of the store is garbage", _store_page(0), says=all_lost, syncs=())
    for number in (1, 2):
        yield Case(f"page {number} of the store is garbage", _store_page(number), says=damaged, syncs=())
    for table in ("statement", "folder"):
        yield Case(f"the root of {table} is garbage", _root_page(table), says=damaged, syncs=())
    for table in ("log", "file", "digest", "notice", "log_document", "owner", "day", "rules", "start", "unread"):
        yield Case(f"the root of {table} is garbage", _root_page(table), says=damaged, first_compares=True)
    for number in range(4):
        yield Case(f"leaf {number} of the log is garbage", _log_leaf(number), says=damaged, first_compares=True)
    yield Case("a byte of the log is another one", _flip, says="stored_rows_set_aside")
    for name in ("store.db-wal", "store.db-shm", "store.db-journal"):
        for what, change in (("garbage", _writes(random.Random(1).randbytes(40_000))), ("empty", _writes(b"")),
                             ("a directory", _directory)):  # fmt: skip
            says = "put_aside" if what == "a directory" else ""
            yield Case(f"{name} is {what}", _home(name, change), says=says)


def _home_files() -> Iterator[Case]:
    strange: list[tuple[str, Callable[[Path], object]]] = [
        ("a directory", _directory), ("a FIFO", _fifo), ("a link to nowhere", _dangling), ("a link to itself", _loop),
        ("garbage", _writes(random.Random(2).randbytes(999))), ("empty", _writes(b"")), ("a socket", _socket),
    ]  # fmt: skip
    for what, change in strange:
        yield Case(f"device.key is {what}", _home("device.key", change), says="device key", refusal=7)
        yield Case(f"control.sock is {what}", _home("control.sock", change))
        yield Case(f"documents.sock is {what}", _home("documents.sock", change))
        yield Case(f"lock is {what}", _home("lock", change))
        yield Case(f"device.key.new is {what}", _home("device.new", change))
        yield Case(f"something of somebody else's is {what}", _home("foreign", change))
        if what != "empty":
            yield Case(f"config.toml is {what}", _home("config.toml", change), says="config.toml", refusal=6)
    yield Case("device.key is missing", _home("device.key", _remove), says="device key", refusal=7)
    yield Case("config.toml is empty", _home("config.toml", _writes(b"")))
    yield Case(
        "config.toml has a byte order mark", _home("config.toml", _writes(b"\xef\xbb\xbf[log]\r\nlevel = 'info'\r\n"))
    )
    for text in (b"[nothing]\nx = 1\n", b"[trash]\nmax_bytes = -7\n", b"[log]\nlevel = 'caf\xe9'\n", b"[log\n",
                 b"[files]\nscan_interval_s = 'x'\n", b"[files]\nignore = 7\n"):  # fmt: skip
        yield Case(f"config.toml says {text!r}", _home("config.toml", _writes(text)), says="", refusal=6)


# --- the folder ----------------------------------------------------------------------------------------------------


def _folder(name: str, change: Callable[[Path], object]) -> Callable[[Pair], None]:
    return _on_disk(change, lambda pair: pair.folder(pair.victim, MAIN) / name)


def _ours() -> Iterator[Case]:
    strange: list[tuple[str, Callable[[Path], object]]] = [
        ("missing", _remove), ("a file", _writes(b"x")), ("a FIFO", _fifo), ("a link to nowhere", _dangling),
        ("a link to another place", _elsewhere),
    ]  # fmt: skip
    for what, change in strange:
        heals = what == "missing"
        yield Case(f".yp2p/tmp is {what}", _folder(".yp2p/tmp", change), says="" if heals else r"\.yp2p/tmp")
        yield Case(f".yp2p/trash is {what}", _folder(".yp2p/trash", change), says="" if heals else r"\.yp2p/trash")
        yield Case(f".yp2p is {what}", _folder(".yp2p", change), says="marker", syncs=(OTHER,))
        yield Case(f".yp2p/README is {what}", _folder(".yp2p/README", change))
        yield Case(f".yp2p/marker is {what}", _folder(".yp2p/marker", change), says="marker", syncs=(OTHER,))
    yield Case("the marker is empty", _folder(".yp2p/marker", _writes(b"")), says="marker", syncs=(OTHER,))
    yield Case("the marker is garbage", _folder(".yp2p/marker", _writes(os.urandom(50))), says="marker", syncs=(OTHER,))
    yield Case(
        "the marker is another folder's", _folder(".yp2p/marker", _writes(b"00" * 16)), says="marker", syncs=(OTHER,)
    )
    for name in ("x", "park-", "park-zz", "\x01", "é", "new-1", "a b", "\udcff", "0" * 200):
        yield Case(f"tmp has {name!r}", _folder(f".yp2p/tmp/{name}", _writes(b"foreign\n")))
    for what, change in (("directory", _directory), ("FIFO", _fifo), ("socket", _socket), ("link", _dangling)):
        yield Case(f"tmp has a {what}", _folder(".yp2p/tmp/foreign", change))
        yield Case(f"the trash has a {what}", _folder(".yp2p/trash/foreign", change))
        yield Case(f".yp2p has a {what}", _folder(".yp2p/foreign", change))
    for name in ("x", "\udcff", "2026", "99999999-000000", "0" * 200):
        yield Case(f"the trash has {name!r}", _folder(f".yp2p/trash/{name}", _writes(b"foreign\n")))


def _elsewhere(path: Path) -> None:
    _remove(path)
    target = path.parent.parent.parent / "elsewhere"
    target.mkdir(exist_ok=True)
    path.symlink_to(target)


_NAMES = (
    "new\nline", "tab\t", "\x1b[31mred", "\udcff\udcfe", "q" * 255, "é", "e\u0301", "\u202egpj.exe", "trailing ",
    "dot.",    "-rf", "~", "*?", "con", "a:b", "back\\slash", "%00", "$(touch x)", "#", "\u200b",
)  # fmt: skip


def _foreign_files() -> Iterator[Case]:
    for what, change, says in (
        ("a FIFO", _fifo, "foreign"), ("a socket", _socket, "foreign"), ("a device", _device, "foreign"),
        ("a link to nowhere", _dangling, ""), ("a link to itself", _loop, ""),
    ):  # fmt: skip
        yield Case(f"the folder has {what}", _folder("foreign", change), says=says)
        says = "victim.txt" if says else ""
        yield Case(
            f"where a file was is {what}", _folder("victim.txt", change), says=says, touched=frozenset({"victim.txt"})
        )
    yield Case("where a file was is a directory", _folder("victim.txt", _directory),
               touched=frozenset({"victim.txt", "victim.txt/inside"}))  # fmt: skip
    yield Case("where a directory was is a file", _folder("d/e", _writes(b"file\n")),
               touched=frozenset({"d/e", "d/e/deep.txt"}))  # fmt: skip
    for name in _NAMES:
        yield Case(f"a file is called {name!r}", _folder(name, _writes(b"odd name\n")))
    for name in (".git", ".yp2p-x", ".YP2P", "d/.yp2p"):
        yield Case(f"a directory is called {name!r}", _folder(name, _directory))
    texts: tuple[tuple[str, bytes], ...] = (
        ("invalid UTF-8", b"caf\xe9\n"), ("NUL bytes", bytes(4096)), ("nothing", b""), ("one line", b"x" * 500_000),
        ("UTF-16", "text\n".encode("utf-16")), ("a byte order mark", b"\xef\xbb\xbftext\r\n"),
    )  # fmt: skip
    for what, data in texts:
        yield Case(f"a new file holds {what}", _folder("foreign.txt", _writes(data)))
        yield Case(f"a file holds {what}", _folder("victim.txt", _writes(data)), touched=frozenset({"victim.txt"}))
    yield Case("a deep tree", _folder("deep", _deep))
    yield Case("hard links", _folder("twin.txt", lambda path: os.link(path, path.with_name("twin too.txt"))))
    yield Case("a link to a place outside", _folder("outside", lambda path: path.symlink_to("/etc")))
    yield Case("a hole of a gigabyte", _folder("hole", lambda path: _writes(b"x")(path) or os.truncate(path, 1 << 30)))  # type: ignore[func-returns-value]
    for data in (os.urandom(200), b"[\n(*" * 500, b"\xff\xfe", b"!" * 9999, b"victim.txt\n"):
        yield Case(f".yp2pignore is {data[:4]!r}...", _folder(".yp2pignore", _writes(data)))
    yield Case(".yp2pignore is a directory", _folder(".yp2pignore", _directory))
    yield Case(".yp2pignore is a FIFO", _folder(".yp2pignore", _fifo), says="yp2pignore", syncs=(OTHER,))
    yield Case("the root is gone", _folder("", _remove), says="is not there", syncs=(OTHER,))
    yield Case("the root is a file", _folder("", _writes(b"x")), says="cannot be opened", syncs=(OTHER,))
    yield Case("the root is empty", _folder("", _emptied), says="marker", syncs=(OTHER,))
    yield Case("the root is a link to itself", _folder("", _loop), says="cannot be opened", syncs=(OTHER,))


def _emptied(path: Path) -> None:
    shutil.rmtree(path)
    path.mkdir()


def _deep(path: Path) -> None:
    path.mkdir()
    directory = os.open(path, os.O_DIRECTORY)
    for _ in range(140):
        os.mkdir("n", dir_fd=directory)
        below = os.open("n", os.O_DIRECTORY, dir_fd=directory)
        os.close(directory)
        directory = below
    os.close(os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=directory))
    os.close(directory)


def all_cases() -> list[Case]:
    """Every damage: of the many of rows a part that is always the same."""
    rows = random.Random(1).sample(list(_row_damages()), _MORE)
    others = [
        *_missing_rows(),
        *_foreign_rows(),
        *_schemas(),
        *_store_files(),
        *_home_files(),
        *_ours(),
        *_foreign_files(),
    ]
    return [*rows, *others]


def cases(count: int) -> list[Case]:
    """So many of them, spread over all kinds; a number that is larger than all gives all."""
    found = all_cases()
    if count >= len(found):
        return found
    return [found[number * len(found) // count] for number in range(count)]
