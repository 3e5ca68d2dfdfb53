"""A zoo of awkward files: names, contents, kinds, modes and times that have to come to the other side as they are."""

from __future__ import annotations

import hashlib
import os
import random
import socket
import stat
from pathlib import Path

NAMES = [
    "plain",
    "with space",
    " leading",
    "trailing ",
    "new\nline",
    "tab\there",
    "cr\rhere",
    "bell\a",
    "escape\x1b[31m",
    "😀",
    "👩‍👩‍👧‍👦",
    "-rf",
    "--help",
    "dot.",
    "...",
    "..a",
    "a..",
    ".hidden",
    "~tilde",
    "é",
    "e\u0301",
    "Å",
    "Å",
    "ﬁ",
    "ß",
    "ẞ",
    "İ",
    "Case",
    "case",
    "CASE",
    "q\"'`$",
    "$HOME",
    "a;b",
    "a|b",
    "a&b",
    "a*b",
    "a?b",
    "[a]",
    "{a}",
    "a\\b",
    "a:b",
    "<a>",
    "%00",
    "%2e%2e",
    "#a",
    "x" * 255,
    "ü" * 127,
    "😀" * 63,
    "con",
    "aux.txt",
    "nul",
    "日本語",
    "العربية",
    "\u202eright",
    "\u200bzero",
    "\ufeffbom",
    "a" * 200 + ".tar.gz",
    "f.conflict-1234abcd.txt",
    "a.conflict-00000000",
    "name,with,commas",
    "=1+1",
    "@x",
    "!x",
    "x=y",
]
RAW_NAMES = [b"not\xffutf8", b"\x80", b"half\xc3", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"latin\xe9.txt"]
TARGETS = [
    "plain",
    "contents",
    "/no/where",
    "../../..",
    ".",
    "itself",
    "new\nline",
    "x" * 1000,
    "a//b/../c",
    "\\",
    "😀",
]


def contents() -> dict[str, bytes]:
    """Contents by name; what is text and what is not, and everything in between."""
    rng = random.Random(3)
    return {
        "empty": b"",
        "lf": b"a\nb\n",
        "crlf": b"a\r\nb\r\n",
        "cr": b"a\rb\r",
        "mixed": b"a\r\nb\nc\r",
        "one-crlf": b"a\nb\r\nc\n",
        "no-end": b"abc",
        "crlf-no-end": b"a\r\nb",
        "only-newline": b"\n",
        "only-cr": b"\r",
        "newlines": b"\n" * 500,
        "bom": b"\xef\xbb\xbfx\n",
        "two-boms": b"\xef\xbb\xbf\xef\xbb\xbfx\n",
        "bom-only": b"\xef\xbb\xbf",
        "utf16": "text\n".encode("utf-16"),
        "utf32": "text\n".encode("utf-32"),
        "nul": b"a\0b",
        "nuls": bytes(1000),
        "one-nul": b"\0",
        "latin": b"caf\xe9",
        "cut-off": "é".encode()[:1],
        "surrogate": b"\xed\xa0\x80",
        "overlong": b"\xc0\xaf",
        "too-high": b"\xf4\x90\x80\x80",
        "astral": "😀𝄞\n".encode() * 10,
        "combining": "e\u0301\n".encode(),
        "separators": "a\u2028b\u2029c\x0bd\x0ce\x1cf\x85g\n".encode(),
        "controls": bytes(range(1, 32)),
        "del": b"\x7f",
        "noncharacter": "\ufffe\uffff\n".encode(),
        "chunk": rng.randbytes(256 << 10),
        "chunk-and-one": rng.randbytes((256 << 10) + 1),
        "chunk-but-one": rng.randbytes((256 << 10) - 1),
        "chunks": rng.randbytes(1 << 20),
        "same-chunks": b"z" * (1 << 20) + b"\0",
        "long": rng.randbytes(3_000_000),
        "line": b"x" * 5_000_000,
        "text-at-limit": b"line\n" * (4 << 20 >> 3),
        "long-text": b"a line\n" * 700_000,
        "many-lines": b"".join(b"%d\n" % n for n in range(100_000)),
        "gzip": b"\x1f\x8b" + rng.randbytes(100),
        "marker": b"<<<<<<< HEAD\n=======\n>>>>>>> x\n",
        "yjs": b"\x01\x01\x00\x00",
        "tabs": b"\t\t\n \t \n",
        "trailing-spaces": b"a  \nb\t\n",
    }


def fill(root: Path) -> int:
    """Make the zoo beneath `root`; gives how many entries it has. Sockets and FIFOs are `fill_oddities`."""
    root.mkdir(parents=True, exist_ok=True)
    for name in dict.fromkeys(NAMES):
        (root / name).write_text(f"this is {name!r}\n")
    for raw in RAW_NAMES:
        (root / os.fsdecode(raw)).write_bytes(b"\xff\xfe" + raw)
    (root / "contents").mkdir()
    for name, data in contents().items():
        (root / "contents" / name).write_bytes(data)
    (root / "modes").mkdir()
    for mode in (0o644, 0o755, 0o600, 0o700, 0o744, 0o711):
        for name, data in (("text", b"x\n"), ("blob", b"\0")):
            path = root / "modes" / f"{name}-{mode:o}"
            path.write_bytes(data)
            path.chmod(mode if mode & 0o044 else mode & 0o700)
    (root / "links").mkdir()
    for number, target in enumerate(TARGETS):
        (root / "links" / str(number)).symlink_to(target)
    (root / "links" / "itself").symlink_to("itself")
    (root / "directory-link").symlink_to("contents")
    for name in ("alone", "deep/er/and/empty", "d/😀/new\nline", " "):
        (root / name).mkdir(parents=True)
    deep = root.joinpath(*(["level"] * 60))
    deep.mkdir(parents=True)
    (deep / "bottom").write_text("the bottom\n")
    (root / "deep/file").write_text("in it\n")
    (root / "old").write_bytes(b"\0old")
    os.utime(root / "old", ns=(0, 86_400_000_000_123))
    os.link(root / "old", root / "hard-link")
    (root / "sparse").touch()
    os.truncate(root / "sparse", 9_000_000)
    return sum(len(below) + len(names) for _, below, names in os.walk(root))


def fill_oddities(root: Path) -> list[str]:
    """What cannot be synchronised; gives the names."""
    os.mkfifo(root / "fifo")
    here = os.getcwd()
    os.chdir(root)  # the path of a socket may have 107 bytes
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind("socket")
    finally:
        os.chdir(here)
    return ["fifo", "socket"]


def inventory(root: Path) -> dict[str, tuple[str, str, str]]:
    """Every entry beneath `root` but ours: kind, what is kept of the mode, and hash or target."""
    found: dict[str, tuple[str, str, str]] = {}
    for directory, below, names in os.walk(root):
        below[:] = [name for name in below if name != ".yp2p"]
        for name in [*below, *names]:
            path = Path(directory, name)
            status = path.lstat()
            if stat.S_ISLNK(status.st_mode):
                entry = "link", "", os.readlink(path)
            elif stat.S_ISDIR(status.st_mode):
                entry = "directory", "", ""
            else:
                bits = ("x" if status.st_mode & 0o100 else "") + ("" if status.st_mode & 0o077 else "p")
                with path.open("rb") as file:
                    entry = "file", bits, hashlib.file_digest(file, "sha256").hexdigest()
            found[str(path.relative_to(root))] = entry
    return found


def differences(one: dict[str, tuple[str, str, str]], other: dict[str, tuple[str, str, str]]) -> list[object]:
    """What is not the same, to be shown when there should be nothing."""
    return [
        (name, one.get(name), other.get(name))
        for name in sorted(one.keys() | other)
        if one.get(name) != other.get(name)
    ][:20]
