"""Neovim with its own LSP client, as docs/editors.md configures it."""

from __future__ import annotations

import sys

from lab import Device, eventually
from teamtype.neovim import Neovim

_RUN = "from yp2p.cli.main import main; main()"
_CONFIG = """
vim.lsp.config("yp2p", {
  cmd = { %s }, root_markers = { ".yp2p" }, workspace_required = true, flags = { debounce_text_changes = 0 },
})
vim.lsp.enable("yp2p")
"""


def open_in_neovim(device: Device, editor: Neovim, name: str) -> None:
    """Show a file, with its server."""
    editor.lua(_CONFIG % ", ".join(f"[[{word}]]" for word in (sys.executable, "-c", _RUN, "lsp", "--as", device.name)))
    editor.edit(device.dir / name)
    eventually(
        lambda: bool(editor.lua("return #vim.lsp.get_clients({ bufnr = 0 }) > 0")), what="the server being attached"
    )
