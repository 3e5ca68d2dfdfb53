"""Documents that are open in JupyterLab are the files of a yp2p folder, live."""

from __future__ import annotations

from typing import Any

from jupyter_yp2p.extension import load, unload

__all__ = ["load", "unload"]


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": "jupyter_yp2p"}]


def _load_jupyter_server_extension(serverapp: Any) -> None:
    load(serverapp)


async def _unload_jupyter_server_extension(serverapp: Any) -> None:
    await unload(serverapp)
