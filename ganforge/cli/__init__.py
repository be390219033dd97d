"""The command line: one file for each command, loaded when it is asked for.

It knows click, rich and the Python API: it parses, calls and prints. It must not know a
rule about training or measuring.

Data go to stdout, narration to stderr. Exit codes: 0 done, 1 failed, 2 usage or recipe, 3 diverged, 4 ended by what a
monitor found, 5 out of memory, 6 another process of the run ended, 128 + signal when stopped by one (130 Ctrl-C, 143
SIGTERM).
"""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Sequence

import click

from ganforge import __version__
from ganforge.cli.messages import show_error
from ganforge.errors import GanforgeError

COMMANDS = {  # command -> (module below ganforge.cli, one line of help)
    "run": ("run", "Train what a recipe describes."),
    "check": ("check", "Validate a recipe, build it and play a few rounds."),
    "diagnose": ("diagnose", "Explain a run again from its log: what went wrong, what to try."),
    "evaluate": ("evaluate", "Measure how good samples are: any metric of any checkpoint, or of files."),
    "compare": ("compare", "Line up runs: recipes, metrics, findings, grids."),
    "sample": ("sample", "Draw samples from a run's generator."),
    "export": ("export", "Write a player's weights to a file."),
    "recipe": ("recipe", "Show a recipe with every default filled in."),
    "list-plugins": ("list_plugins", "List installed plugins and their components."),
    "describe": ("describe", "Explain a component: fields, bounds, paper."),
    "schema": ("schema", "Print the JSON schema of recipes, for editors."),
    "track": ("track", "Send a run's records to MLflow again."),
}


class LazyGroup(click.Group):
    """Imports a command's module only when that command is used: `--help` loads neither torch nor plugins."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which a newcomer needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"ganforge.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest the nearest command for one that does not exist."""
        near = difflib.get_close_matches(args[0], COMMANDS, 1) if args and args[0] not in COMMANDS else []
        if near:
            ctx.fail(f"there is no command '{args[0]}'; did you mean '{near[0]}'?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="ganforge")
def cli() -> None:
    """Train GANs from recipes: one TOML file, one device or many, tracked in MLflow.

    Start with:  ganforge run recipes/stylegan2_faces.toml
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command line and exit with its code."""
    try:
        code = cli.main(args=None if arguments is None else list(arguments), standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except GanforgeError as error:
        show_error(error)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.exit(1)
    except (Exception, SystemExit) as error:
        from ganforge.training.crash_report import explain  # which imports torch

        explained = explain(error)
        if explained is None:
            raise
        show_error(explained)
        sys.exit(explained.exit_code)
    sys.exit(code if isinstance(code, int) else 0)
