"""Two devices with a folder, and a Jupyter server whose directory that is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from lab import Device, devices

pytest_plugins = ["pytest_jupyter.jupyter_server"]

TEXT = "a😀b\nline two\n"


def notebook() -> Any:
    found = nbformat.v4.new_notebook()
    found.cells = [
        nbformat.v4.new_markdown_cell("# Title 😀", id="one"),
        nbformat.v4.new_code_cell("x = 1", id="two"),
        nbformat.v4.new_code_cell("y = 2", id="three"),
    ]
    return found


@pytest.fixture
def two_devices(tmp_path: Path) -> Iterator[tuple[Device, Device]]:
    with devices(tmp_path / "devices", "one", "two") as (one, two):
        (one.dir / "a.txt").write_text(TEXT)
        (one.dir / "windows.txt").write_bytes(b"one\r\ntwo\r\n")
        nbformat.write(notebook(), one.dir / "n.ipynb")
        two.join(one)
        for device in (one, two):
            device.wait()
        yield one, two


@pytest.fixture
def jp_root_dir(two_devices: tuple[Device, Device]) -> Path:
    return two_devices[0].dir


@pytest.fixture
def jp_server_config(tmp_path: Path, two_devices: tuple[Device, Device], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("YP2P_HOME", str(two_devices[0].home))
    monkeypatch.chdir(tmp_path)  # where the server keeps what it knows of rooms
    return {
        "ServerApp": {
            "jpserver_extensions": {"jupyter_server_ydoc": True, "jupyter_server_fileid": True, "jupyter_yp2p": True},
            "token": "",
            "disable_check_xsrf": True,
        },
        "BaseFileIdManager": {"root_dir": str(two_devices[0].dir), "db_path": str(tmp_path / "fid.db")},
        "YDocExtension": {"document_save_delay": 0.2, "session_store_path": str(tmp_path / "sessions.json")},
    }
