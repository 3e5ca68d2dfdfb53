"""The completion scripts of the shells, which `yp2p completion` prints as well, at the places where shells look."""

from __future__ import annotations

from pathlib import Path

from yp2p.cli.completion import script

PLACES = {
    "bash": "bash-completion/completions/yp2p",
    "zsh": "zsh/site-functions/_yp2p",
    "fish": "fish/vendor_completions.d/yp2p.fish",
}


def write(share: Path) -> list[Path]:
    """Write them beneath a directory such as /usr/share; gives them."""
    written = []
    for shell, name in PLACES.items():
        place = share / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(script(shell).strip() + "\n")
        written.append(place)
    return written
