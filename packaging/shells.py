"""The completion scripts of the shells, which `yp2p completion` prints as well, at the places where shells look."""

from __future__ import annotations

from pathlib import Path

from click.shell_completion import get_completion_class

PLACES = {
    "bash": "bash-completion/completions/yp2p",
    "zsh": "zsh/site-functions/_yp2p",
    "fish": "fish/vendor_completions.d/yp2p.fish",
}


def script(shell: str) -> str:
    """The script of a shell, whether that shell is here or not."""
    from yp2p.cli.group import group

    kind = get_completion_class(shell)
    assert kind is not None
    made = kind(group, {}, "yp2p", "_YP2P_COMPLETE")
    return made.source_template % made.source_vars()


def write(share: Path) -> list[Path]:
    """Write them beneath a directory such as /usr/share; gives them."""
    written = []
    for shell, name in PLACES.items():
        place = share / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(script(shell).strip() + "\n")
        written.append(place)
    return written
