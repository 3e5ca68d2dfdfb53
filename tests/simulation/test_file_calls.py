"""A simulated crash can come before every call of the daemon that changes what is on the disk."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from simulation.file_calls import OF_MODULES, OF_OS

from yp2p.files import syscalls

_PRODUCT = Path(__file__).resolve().parents[2] / "yp2p"

# Everything in `os`, on Linux, that changes a file system, a file, or what of them is on the disk. Not here are what
# changes only a process or a descriptor (`umask`, `chdir`, `dup2`, `lseek`, `lockf`), and what makes files that have no
# name and end with their process (`pipe`, `memfd_create`, `eventfd`, `openpty`).
WRITING = frozenset(
    (
        # files that come into being or are emptied
        "open", "mkfifo", "mknod",
        # contents
        "write", "writev", "pwrite", "pwritev", "truncate", "ftruncate", "posix_fallocate",
        "copy_file_range", "sendfile", "splice",
        # names
        "link", "symlink", "rename", "renames", "replace", "unlink", "remove",
        "mkdir", "makedirs", "rmdir", "removedirs",
        # modes, owners, times, attributes
        "chmod", "fchmod", "lchmod", "chown", "fchown", "lchown", "chflags", "lchflags", "utime",
        "setxattr", "removexattr",
        # what is on the disk for good
        "fsync", "fdatasync", "sync",
    )
)  # fmt: skip

# Files written through an object of Python's, beneath which nothing can be hooked: where no simulated device comes, as
# nowhere in the command line, nor in what runs for an editor.
_WRITES_UNSEEN = frozenset(
    ("trust/keyfile.py", "disk/leaving.py", "bundle.py", "service/installing.py", "editors/rescue.py")
)
_READING = ("shutil.which", "shutil.disk_usage")
_BY_METHOD = frozenset(("write_text", "write_bytes", "symlink_to", "hardlink_to"))


# What stands in every module that the tests below can find something in. To parse all of them takes seconds.
_NAMED = re.compile(r"\b(os|posix|syscalls|shutil|io|open|" + "|".join(sorted(_BY_METHOD)) + r")\b")


@cache
def _sources() -> dict[Path, ast.AST]:
    texts = {path: path.read_text() for path in sorted(_PRODUCT.rglob("*.py"))}
    return {path.relative_to(_PRODUCT): ast.parse(text) for path, text in texts.items() if _NAMED.search(text)}


def _named_of_os(tree: ast.AST) -> Iterator[str]:
    """What a module names of `os`, called at once or handed on."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("os", "posix"):
            yield node.attr
        elif isinstance(node, ast.ImportFrom) and node.module in ("os", "posix"):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.asname for alias in node.names if alias.name in ("os", "posix") and alias.asname)


def _named_of_syscalls(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == syscalls.__name__:
            yield from (alias.name for alias in node.names if callable(getattr(syscalls, alias.name)))


def _writes_unseen(tree: ast.AST) -> bool:
    """Whether a module writes to files other than by calls that have hooks."""
    return any(isinstance(node, ast.Call) and _is_unseen(node) for node in ast.walk(tree))


def _is_unseen(call: ast.Call) -> bool:
    name = ast.unparse(call.func)
    if name in ("open", "io.open", "os.fdopen"):
        modes = [call.args[1]] if len(call.args) > 1 else [k.value for k in call.keywords if k.arg == "mode"]
        return any(not isinstance(mode, ast.Constant) or set("wax+") & set(str(mode.value)) for mode in modes)
    return (name.startswith("shutil.") and name not in _READING) or (
        isinstance(call.func, ast.Attribute) and call.func.attr in _BY_METHOD
    )


def test_every_writing_function_of_os_that_is_called_has_a_hook() -> None:
    without = {
        f"os.{name} in {path}"
        for path, tree in _sources().items()
        for name in _named_of_os(tree)
        if name in WRITING - OF_OS.keys()
    }
    assert not without


def test_every_hook_is_of_a_writing_function() -> None:
    assert OF_OS.keys() <= WRITING


def test_os_has_no_other_name_in_the_product() -> None:
    for path, tree in _sources().items():
        assert all(hasattr(os, name) for name in _named_of_os(tree)), path


def test_every_module_that_uses_a_call_python_lacks_is_hooked() -> None:
    hooked = {(module.__name__, name) for module, name, _ in OF_MODULES}
    for path, tree in _sources().items():
        module = ".".join(("yp2p", *path.with_suffix("").parts))
        assert {(module, name) for name in _named_of_syscalls(tree)} <= hooked


def test_what_has_no_hook_is_written_by_no_simulated_device() -> None:
    inside = {path: tree for path, tree in _sources().items() if path.parts[0] != "cli"}
    assert {str(path) for path, tree in inside.items() if _writes_unseen(tree)} == _WRITES_UNSEEN


@pytest.mark.parametrize(
    "source",
    ["os.pwrite(3, b'', 0)", "stack.callback(os.pwrite, 3, b'', 0)", "from os import pwrite", "import os as pwrite"],
)
def test_a_call_is_found_however_it_is_written(source: str) -> None:
    assert "pwrite" in set(_named_of_os(ast.parse(source)))


@pytest.mark.parametrize(
    ("source", "is_unseen"),
    [
        ("open(path)", False),
        ("open(path, 'wb')", True),
        ("open(path, mode='a')", True),
        ("os.fdopen(3, 'r+')", True),
        ("path.write_text('')", True),
        ("shutil.copyfile(a, b)", True),
        ("shutil.which(name)", False),
    ],
)
def test_other_ways_to_write_are_found(source: str, is_unseen: bool) -> None:
    assert _writes_unseen(ast.parse(source)) is is_unseen
