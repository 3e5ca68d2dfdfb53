"""The process that an editor starts: its standard input and output, and its end."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import trio

from yp2p.client import Device
from yp2p.control.socket import find_control_socket
from yp2p.editors.bridge import Bridge
from yp2p.editors.hindrances import READER
from yp2p.errors import FolderError, NotRunning

# A daemon that restarts is back by then.
_START_LIMIT_S = 5.0
_RETRY_S = 0.1


def run(name: str) -> None:
    """Serve the editor that started this process in a directory of a folder, until it closes standard input.

    Args:
        name: what the others are told that its person is called.

    Raises:
        NotRunning: no daemon answers.
        FolderError: the directory is in no folder.
    """
    trio.run(_run, name)


async def _run(name: str) -> None:
    device = Device(find_control_socket())
    roots = await _roots(device)
    here = os.getcwd()
    if not any(here == root or here.startswith(root.rstrip("/") + "/") for root in map(os.path.realpath, roots)):
        raise FolderError(
            f"{here} is in no folder of this device; `yp2p status` shows them, `yp2p share DIR` makes one"
        )
    bridge = Bridge(device, roots, name, is_neovim=_is_started_by("nvim"))
    async with trio.open_nursery() as nursery:
        await nursery.start(_cancel_at_signal, nursery.cancel_scope)
        fault = await bridge.serve(trio.lowlevel.FdStream(os.dup(0)), trio.lowlevel.FdStream(os.dup(1)))
        nursery.cancel_scope.cancel()
    if fault is not None:
        raise fault


def _is_started_by(program: str) -> bool:
    try:
        return Path(f"/proc/{os.getppid()}/comm").read_text().strip() == program
    except OSError:
        return False


def roots_of(status: dict[str, Any]) -> dict[str, str]:
    """The same, of what a daemon says."""
    return {folder["path"]: READER if folder["is_reader"] else "" for folder in status["folders"]}


async def _roots(device: Device) -> dict[str, str]:
    """The directories of all folders, and why nobody may write into them, where that is so. Raises NotRunning."""
    with trio.move_on_after(_START_LIMIT_S):
        while True:
            try:
                return roots_of(await device.status())
            except NotRunning:
                await trio.sleep(_RETRY_S)
    raise NotRunning("no yp2p daemon is running for this home; start one with `yp2p daemon`, or `yp2p up DIR`")


async def _cancel_at_signal(scope: trio.CancelScope, task_status: trio.TaskStatus[None]) -> None:
    """An editor that ends this process, or a terminal that is closed: what was written is stored, as at any end."""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGHUP, signal.SIGINT) as signals:
        task_status.started()
        async for _ in signals:
            scope.cancel()
