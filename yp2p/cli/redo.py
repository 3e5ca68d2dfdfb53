"""`yp2p redo`."""

from __future__ import annotations

from yp2p.cli.undo import redo as command

__all__ = ["command"]
