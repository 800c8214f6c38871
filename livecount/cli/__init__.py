"""The command line: ``livecount COMMAND``; every command has ``--help`` with an example.

Exit status: 0 done, 1 the work failed, 2 wrong usage or settings. Results go to standard output,
everything else to standard error.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from livecount import __version__
from livecount.cli.count import count
from livecount.cli.demo import demo
from livecount.cli.doctor import doctor
from livecount.cli.engine import engine
from livecount.cli.event import event
from livecount.cli.exclude import exclude
from livecount.cli.experiment import experiment
from livecount.cli.finetune import finetune
from livecount.cli.incident import alert, forecast, incidents
from livecount.cli.keeping import backup, restore, verify
from livecount.cli.plate import plate
from livecount.cli.recount import analysis, recount
from livecount.cli.results import export, plot, report
from livecount.cli.score import evaluate
from livecount.cli.service import install_service
from livecount.cli.simulate import simulate
from livecount.cli.terminal import FAILED, USAGE, show_error
from livecount.cli.train import train
from livecount.cli.validate import validate
from livecount.cli.watch import run, serve, status
from livecount.errors import ConfigError, LivecountError

__all__ = ["app", "main"]

app = typer.Typer(
    name="livecount",
    help="Count the live cells in every frame while the microscope is still running.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
COMMANDS = (
    demo, run, count, recount, export, plot, report, serve, status, incidents, forecast, doctor,
    backup, restore, verify,
    install_service, evaluate, train, finetune, simulate,
)  # fmt: skip
for command in COMMANDS:
    app.command()(command)
app.add_typer(plate)
app.add_typer(event)
app.add_typer(experiment)
app.add_typer(analysis)
app.add_typer(exclude)
app.add_typer(alert)
app.add_typer(validate)
app.add_typer(engine)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"livecount {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    """Count the live cells in every frame while the microscope is still running."""


def main() -> None:
    """Run the command line; every expected failure is one plain line and an exit status."""
    try:
        app()
    except ConfigError as error:
        show_error(error)
        sys.exit(USAGE)
    except LivecountError as error:
        show_error(error)
        sys.exit(FAILED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(FAILED)
