# SPDX-License-Identifier: MIT
"""The commands of `springg` and what their endings mean.

Exit codes: 0 done; 1 the answer is "no" (an id is not there, damage found); 2 the command line is
wrong; 3 a SpringgError, one line on stderr; 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from springg import __version__, cpu_features
from springg.cli import bench, data, demo, maintenance
from springg.cli.screen import print_json
from springg.errors import SpringgError

HELP = """springg: a vector database in a directory.

\b
See it work on real data, a minute and no setup:
    springg demo

\b
Your own vectors:
    springg create data/ articles --dimensions 384
    springg import data/ articles embeddings.npy
    springg search data/ articles --file queries.npy -k 5
    springg info data/
    springg snapshot data/ backups/monday

\b
`springg COMMAND --help` has the options and examples of each command.
Exit codes: 0 done, 1 the answer is "no" (id not found, damage found), 2 usage,
3 an error of springg, 130 stopped by Ctrl-C.
"""


class Commands(TyperGroup):
    """Ends errors of springg as one line, and takes --debug at any place."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Move --debug to the front, where the group reads it."""
        options = args[: args.index("--")] if "--" in args else args
        if "--debug" in options:
            rest = [argument for argument in options if argument != "--debug"]
            args = ["--debug", *rest, *args[len(options) :]]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; its errors become exit codes."""
        try:
            return super().invoke(ctx)
        except SpringgError as error:
            if ctx.params.get("debug"):
                traceback.print_exc()
                raise typer.Exit(3) from None
            print(f"springg: {one_line(str(error))}", file=sys.stderr)
            raise typer.Exit(3) from None
        except KeyboardInterrupt:
            print("springg: stopped", file=sys.stderr)
            raise typer.Exit(130) from None


def one_line(message: str) -> str:
    """Return a message without line breaks and control characters."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in message)


app = typer.Typer(
    cls=Commands,
    help=HELP,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def say_version(asked: bool) -> None:
    """Do `--version`."""
    if asked:
        version()
        raise typer.Exit


@app.callback()
def main(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=say_version, is_eager=True, help="As the command."),
    ] = False,
) -> None:
    """Take the options of every command; the class above reads them."""


def version(
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Print the version, and the instruction set that distances are computed with.

    For example:
        springg version
    """
    features = cpu_features()
    if json:
        print_json({"version": __version__, **features})
    else:
        print(f"springg {__version__} ({features['isa']})")


def help_of(command: Callable[..., None]) -> str:
    """Return a command's docstring, its examples kept line by line."""
    return (inspect.getdoc(command) or "").replace("\nFor example:", "\n\b\nFor example:")


for _command in (*demo.COMMANDS, *data.COMMANDS, *maintenance.COMMANDS, *bench.COMMANDS, version):
    _help = help_of(_command)
    app.command(
        _command.__name__.removesuffix("_command"),
        help=_help,
        short_help=_help.splitlines()[0],
    )(_command)
