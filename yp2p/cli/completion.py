"""`yp2p completion`."""

from __future__ import annotations

import click

from yp2p.cli.output import say

# As click's own but for one thing: bash takes FILE@VERSION for several words, of which only the last is completed.
_BASH = """\
_yp2p_completion() {
    local IFS=$'\\n' response completion type value before= joined=
    local line="${COMP_LINE:0:COMP_POINT}"
    local current="${line##*[[:space:]]}"
    local -a words=("${COMP_WORDS[@]:0:COMP_CWORD+1}")

    if [[ $current == *@* && $current != *[\\'\\"\\\\]* ]]; then
        while [[ $joined != "$current" && $current == *"${words[-1]}$joined" && ${#words[@]} -gt 1 ]]; do
            joined="${words[-1]}$joined"
            unset 'words[-1]'
        done
        words+=("$joined")
        before="${current%@*}@"
    fi
    response=$(env COMP_WORDS="${words[*]}" COMP_CWORD=$((${#words[@]} - 1)) _YP2P_COMPLETE=bash_complete $1)

    for completion in $response; do
        IFS=',' read type value <<< "$completion"

        if [[ $type == 'dir' ]]; then
            COMPREPLY=()
            compopt -o dirnames
        elif [[ $type == 'file' ]]; then
            COMPREPLY=()
            compopt -o default
        elif [[ $type == 'plain' ]]; then
            COMPREPLY+=("${value#"$before"}")
        fi
    done

    return 0
}

complete -o nosort -F _yp2p_completion yp2p
"""


def script(shell: str) -> str:
    """The script of `bash`, `zsh` or `fish`, whether that shell is here or not."""
    if shell == "bash":
        return _BASH
    from click.shell_completion import get_completion_class

    from yp2p.cli.group import group

    kind = get_completion_class(shell)
    if kind is None:
        raise click.ClickException(f"no completion for {shell}")
    return kind(group, {}, "yp2p", "_YP2P_COMPLETE").source()


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of a SHELL.

    \b
    bash:  eval "$(yp2p completion bash)"   in ~/.bashrc
    zsh:   eval "$(yp2p completion zsh)"    in ~/.zshrc
    fish:  yp2p completion fish > ~/.config/fish/completions/yp2p.fish
    """
    say(*script(shell).split("\n"))
