"""`yp2p`: the group of commands. Each command's module is imported only when it is used."""

from __future__ import annotations

import importlib
import os
import sys

import click

from yp2p import __version__
from yp2p.errors import EXIT_CODES, YpError

# name: (module, what it does)
COMMANDS = {
    "up": ("up", "Run the daemon here and share a directory: the one command to begin with."),
    "daemon": ("daemon", "Run the daemon in the foreground."),
    "share": ("share", "Share a directory: prints the code to type on the other device."),
    "join": ("join", "Take part in a folder, with the code that the other device shows."),
    "status": ("status", "Show this device, the others, and the folders."),
    "wait": ("wait", "Wait until every folder is in sync with every connected device."),
    "undo": ("undo", "Take back what this device changed last in a file."),
    "redo": ("redo", "Make the change again that was undone."),
    "log": ("log", "List the versions of a file, or the files that were deleted."),
    "show": ("show", "Print a file as it was."),
    "diff": ("diff", "Show what became of a file between two versions."),
    "blame": ("blame", "Show which device wrote each line of a file."),
    "restore": ("restore", "Make a file or a directory what it was."),
    "bookmark": ("bookmark", "List, put or remove the bookmarks of a file."),
    "who": ("who", "Show which devices are here, and what is edited on them."),
    "trash": ("trash", "Show, restore or empty what other devices deleted."),
    "folder": ("folder", "Go on with a folder that waits for your word."),
    "notices": ("notices", "Show what happened that you may want to look at, and bring back what was removed."),
    "conflicts": ("conflicts", "List and settle what two devices changed apart."),
    "stop": ("stop", "Stop the daemon."),
    "completion": ("completion", "Print the shell completion script."),
}

_CODES = "".join(f"\n  {code}  {text}" for code, text in EXIT_CODES.items())
_HELP = """Keep folders the same on every device of a LAN.

\b
On the first device:      yp2p up ~/notes
It shows a code. On the other device:
                          yp2p daemon &
                          yp2p join CODE ~/notes

Devices find each other by themselves; edits of text files merge. YP2P_HOME=DIR keeps a whole device in one
directory; settings are in config.toml, or YP2P_SECTION__KEY in the environment."""
_EPILOG = "\b\nExit codes:" + _CODES


class _Commands(click.Group):
    """Commands by name, imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"yp2p.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.command(cls=_Commands, help=_HELP, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="yp2p")
def group() -> None:
    pass


def main() -> None:
    """The console script: errors are sentences, exit codes as documented."""
    try:
        group.main(standalone_mode=False)
    except YpError as error:
        click.echo(f"yp2p: {error}", err=True)
        sys.exit(error.exit_code)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
