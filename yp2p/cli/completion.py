"""`yp2p completion`."""

from __future__ import annotations

import click

from yp2p.cli.output import say


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of a SHELL.

    \b
    bash:  eval "$(yp2p completion bash)"   in ~/.bashrc
    zsh:   eval "$(yp2p completion zsh)"    in ~/.zshrc
    fish:  yp2p completion fish > ~/.config/fish/completions/yp2p.fish
    """
    from click.shell_completion import get_completion_class

    from yp2p.cli.group import group

    kind = get_completion_class(shell)
    if kind is None:
        raise click.ClickException(f"no completion for {shell}")
    say(*kind(group, {}, "yp2p", "_YP2P_COMPLETE").source().split("\n"))
