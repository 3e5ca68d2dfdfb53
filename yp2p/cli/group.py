"""The groups of commands. Each command's module is imported only when it is used."""

from __future__ import annotations

import importlib
from dataclasses import asdict

import click

from yp2p.cli.main import COMMANDS, SECTIONS
from yp2p.cli.usage import NoSuchCommand
from yp2p.errors import EXIT_CODES, UsageError

_CODES = "".join(f"\n  {code:>2}  {text}" for code, text in EXIT_CODES.items())
_HELP = """Keep folders the same on every device of a LAN.

\b
On the first device:      yp2p up ~/notes
It shows a code. On the other device (it asks for the code):
                          yp2p daemon --detach
                          yp2p join ~/notes

Devices find each other by themselves; edits of text files merge. YP2P_HOME=DIR keeps a whole device in one
directory; settings are in ~/.config/yp2p/config.toml, or YP2P_SECTION__KEY in the environment."""
_EPILOG = "'yp2p help COMMAND' explains a command.\n\n\b\nExit codes:" + _CODES


class Group(click.Group):
    """A group that says what is close to a word which is no command of it. Groups in it are of this kind as well."""

    group_class = type

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        word = args[0]
        if not ctx.resilient_parsing and self.get_command(ctx, word) is None and not word.startswith("-"):
            raise NoSuchCommand(ctx, self, word, args[1] if len(args) > 1 else "")
        return super().resolve_command(ctx, args)


class _Commands(Group):
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
        width = max(map(len, COMMANDS))
        for title, names in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), COMMANDS[name][1]) for name in names])


@click.command(
    cls=_Commands,
    help=_HELP,
    epilog=_EPILOG,
    invoke_without_command=True,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option("-V", "--version", "asks_version", is_flag=True, help="Show the version, also of protocol and store.")
@click.option("--hub", is_flag=True, help="Ask the hub of this machine (yp2p-hub.service); root only.")
@click.option("--json", "as_json", is_flag=True, hidden=True)
@click.pass_context
def group(context: click.Context, asks_version: bool, hub: bool, as_json: bool) -> None:
    if hub:
        from yp2p.cli.hub import use_hub

        use_hub()
    if asks_version:
        _print_version(as_json)
        context.exit()
    if as_json:
        raise UsageError("--json belongs behind a command, such as `yp2p status --json`, or behind `yp2p --version`")


def _print_version(as_json: bool) -> None:
    from yp2p.cli.output import print_json, say
    from yp2p.compatibility import Versions

    if as_json:
        print_json(asdict(Versions()))
    else:
        say(str(Versions()))
