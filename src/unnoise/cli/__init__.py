"""The command line: one file a command, each thin. Torch is imported inside the commands, so that `--help` is quick."""

from __future__ import annotations

import gc
import io
import os
import sys
import warnings
from typing import Any, TextIO

import typer
from typer.core import TyperGroup

from unnoise.batch.interrupts import stop_by_signals
from unnoise.batch.threads import bound_thread_starts
from unnoise.cli import (
    benchmark,
    data,
    denoise,
    doctor,
    evaluate,
    export,
    import_,
    inspect,
    models,
    quantize,
    recipes,
    serve,
    submit,
    train,
    worker,
)
from unnoise.errors import UnnoiseError, UnnoiseWarning
from unnoise.registry import torch_missing

_showwarning = warnings.showwarning

NEW_OBJECTS = 10_000
"""So many new objects, not 700, until Python looks for garbage in circles: imports make many that stay, which took 0.06 s."""

BadCall: type[Exception] = typer.BadParameter.__bases__[0]
"""What typer raises for a call that it cannot read; releases differ in where its name lies."""


class _Commands(TyperGroup):
    """The commands; one that Ctrl-C or its like ends says so, which typer would not."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stopped:
            _complain(f"Stopped. {stopped}".strip())
            raise typer.Exit(130) from None


app = typer.Typer(
    name="unnoise",
    cls=_Commands,
    help="Takes noise out of photographs and scientific images without ever having seen a clean one.",
    epilog="For completion by the Tab key run: unnoise --install-completion",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("denoise")(denoise.denoise)
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("import")(import_.import_)
app.command("export")(export.export)
app.command("inspect")(inspect.inspect)
app.command("quantize")(quantize.quantize)
app.add_typer(benchmark.app, name="benchmark")
app.add_typer(data.app, name="data")
app.command("submit")(submit.submit)
app.command("models")(models.models)
app.command("recipes")(recipes.recipes)
app.command("serve")(serve.serve)
app.command("doctor")(doctor.doctor)


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    if version:
        from unnoise import __version__

        typer.echo(f"unnoise {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line.

    Exit status: 0; 1 for a failure; 2 for bad use; 130 after Ctrl-C and its like. None of them shows a traceback.
    """
    gc.set_threshold(NEW_OBJECTS)
    worker.run_in_worker()
    warnings.showwarning = _warn
    stop_by_signals()
    bound_thread_starts()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # names of files that are not UTF-8 go out as they are
    try:
        sys.exit(app(prog_name="unnoise", standalone_mode=False) or 0)
    except BadCall as error:
        _complain_of_call(error)
        sys.exit(2)
    except UnnoiseError as error:
        _complain(str(error))
        sys.exit(error.exit_status)
    except KeyboardInterrupt:  # before or after a command's work
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
    except (MemoryError, RuntimeError, ImportError) as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "torch":
            _complain(str(torch_missing()))
            sys.exit(2)
        elif _is_out_of_memory(error):
            remedy = "a smaller --tile" if sys.argv[1:2] != ["train"] else "a smaller --set training.batch or training.crop"
            _complain(f"There is not enough memory for this; close other programs, or give {remedy}.")
        elif failure := _device_failure(error):
            _complain(failure)
        else:
            raise
        sys.exit(1)


MEMORY_WORDS = ("can't start new thread", "failed to map segment", "Cannot allocate memory")
"""What Python and the system's loader say of threads and libraries that memory has no room for."""


def _is_out_of_memory(error: Exception) -> bool:
    """torch has no error of its own for this; where it is not loaded, it was not torch's."""
    if isinstance(error, MemoryError) or any(words in str(error) for words in MEMORY_WORDS):
        return True
    if "torch" not in sys.modules:
        return False
    from unnoise.inference.memory import is_out_of_memory

    return is_out_of_memory(error)


def _device_failure(error: Exception) -> str | None:
    """What to say of a device that failed; None: the error is another one."""
    if "torch" not in sys.modules:
        return None
    from unnoise.inference.device_failure import device_sentence, is_device_failure

    if not is_device_failure(error):
        return None
    if sys.argv[1:2] == ["train"]:
        return str(device_sentence(error, "The training did not end", "give the same command with --resume, or --device cpu"))
    return str(device_sentence(error, "The command did not end"))


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


def _complain_of_call(error: Any) -> None:
    """One sentence; but a command that wants arguments and got none shows its help."""
    message = " ".join(error.format_message().split()).replace("Value error, ", "")
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return
    place = error.ctx.command_path if error.ctx else "unnoise"
    _complain(f"{message.rstrip('.')}; see '{place} --help'.")


def _complain(sentence: str) -> None:
    print(f"unnoise: {sentence}", file=sys.stderr)
