"""The command line: one file a command, each thin. Torch is imported inside the commands, so that `--help` is quick."""

from __future__ import annotations

import io
import os
import sys
import warnings
from typing import TextIO

import typer

from unnoise.batch.interrupts import stop_by_signals
from unnoise.cli import benchmark, denoise, evaluate, import_, inspect, models, quantize, recipes, train
from unnoise.errors import UnnoiseError, UnnoiseWarning
from unnoise.registry import torch_missing

_showwarning = warnings.showwarning

app = typer.Typer(
    name="unnoise",
    help="Takes noise out of photographs and scientific images without ever having seen a clean one.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("denoise")(denoise.denoise)
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("import")(import_.import_)
app.command("inspect")(inspect.inspect)
app.command("quantize")(quantize.quantize)
app.add_typer(benchmark.app, name="benchmark")
app.command("models")(models.models)
app.command("recipes")(recipes.recipes)


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    if version:
        from unnoise import __version__

        typer.echo(f"unnoise {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line: exit status 0, 1 for a failure, 2 for bad use, 130 after Ctrl-C and its like; no traceback for either."""
    warnings.showwarning = _warn
    stop_by_signals()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # names of files that are not UTF-8 go out as they are
    try:
        app()
    except UnnoiseError as error:
        _complain(str(error))
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        _complain("Stopped.")
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output went away, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        _complain(
            f"{error.filename or 'A file'} cannot be used: {error.strerror or error}; check its name, its rights and the room."
        )
        sys.exit(1)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        _complain(str(torch_missing()))
        sys.exit(1)
    except MemoryError:
        _complain("There is not enough memory for this; give a smaller --tile.")
        sys.exit(1)


def _warn(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Ours as a sentence, without the line of code that it comes from."""
    if issubclass(category, UnnoiseWarning):
        _complain(str(message))
    else:
        _showwarning(message, category, filename, lineno, file, line)


def _complain(sentence: str) -> None:
    print(f"unnoise: {sentence}", file=sys.stderr)
