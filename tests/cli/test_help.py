"""Help, choices, completion by the Tab key, and what a call that cannot be read is answered."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any, get_args

import pytest
import typer

from unnoise import denoisers, recipes
from unnoise.cli import app, benchmark, evaluate, main, options
from unnoise.evaluation import ablations, protocols
from unnoise.inference.precision import PRECISIONS
from unnoise.models import shipped
from unnoise.photometry import bias_correction

COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def _call(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["unnoise", *arguments])
    with pytest.raises(SystemExit) as exit_:
        main()
    captured = capfd.readouterr()
    return int(exit_.value.code or 0), captured.out + captured.err


def test_choices_are_those_of_the_library() -> None:
    assert get_args(options.Precision) == ("auto", *PRECISIONS)
    assert set(get_args(options.TrainingPrecision)) == set(get_args(options.Precision)) - {"int8"}
    assert set(get_args(evaluate.Protocol)) == set(protocols.names())
    assert get_args(benchmark.Name) == tuple(ablations.names())
    assert set(get_args(bias_correction.TransferFunction)) < set(get_args(options.BiasCorrection))
    for name in get_args(options.BiasCorrection):
        recipes.load("ap-bsn", {"bias_correction": name})
    for name in get_args(options.Normalization):
        recipes.load("ap-bsn", {"normalization": name})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["denoise", "a.png", "--precision", "int3"], "'auto', 'float32', 'bfloat16', 'float16', 'int8'"),
        (["denoise", "a.png", "--bias-correction", "dark"], "'auto', 'srgb', 'linear', 'none'"),
        (["train", "a.png", "--out", "x", "--precision", "int8"], "'auto', 'float32', 'bfloat16', 'float16'"),
        (["evaluate", "--data", "pairs:x", "--protocol", "mine"], "'default', 'ap-bsn', 'amsnet', 'at-bsn'"),
        (["benchmark", "ablation", "mine", "x", "--data", "pairs:x", "--out", "y"], "'identity', 'denoiser', 'loss'"),
        (["denoise", "a.png", "--tile", "large"], "--tile"),
        (["denoise"], "Missing argument"),
        (["denoise", "a.png", "--nonsense"], "--nonsense"),
        (["nonsense"], "'nonsense'"),
    ],
)
def test_bad_calls_are_answered_in_one_sentence(
    arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    status, out = _call(monkeypatch, capfd, *arguments)
    (line,) = out.splitlines()
    assert status == 2
    assert line.startswith("unnoise: ")
    assert words in line
    assert "see 'unnoise" in line
    assert line.endswith("--help'.")


def test_a_call_without_a_command_shows_the_help(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    status, out = _call(monkeypatch, capfd)
    assert status == 2
    assert all(name in out for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_each_command(name: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "130")
    status, out = _call(monkeypatch, capfd, name, "--help")
    assert status == 0
    assert f"unnoise {name}" in out
    assert "--light" not in out
    assert "--levels" not in out


@pytest.mark.parametrize("name", ["denoise", "train", "evaluate"])
def test_options_lie_in_panels(name: str) -> None:
    panels = [parameter.rich_help_panel for parameter in COMMANDS[name].params if hasattr(parameter, "rich_help_panel")]
    assert {options.FILES, options.COMPUTED, options.ADVANCED} <= set(panels)
    most_needed = [panel for panel in panels if panel is None]
    assert 3 <= len(most_needed) <= 12


def test_every_option_has_a_sentence() -> None:
    for name, command in COMMANDS.items():
        for parameter in command.params:
            if not getattr(parameter, "hidden", False):
                assert parameter.help, (name, parameter.name)


def test_help_brings_no_heavy_library() -> None:
    """Which keeps it within half a second; a time is not measured, as machines differ."""
    code = (
        "import sys\n"
        "from unnoise.cli import main\n"
        "sys.argv = ['unnoise', 'denoise', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('torch', 'numpy', 'pyvips', 'matplotlib') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("typed", "proposed"),
    [
        ("unnoise den", ["denoise"]),
        ("unnoise denoise a.png --model fa", [name for name in shipped.names() if name.startswith("fa")]),
        ("unnoise train x --recipe ss", ["ss-bsn", "ss-bsn-quick"]),
        ("unnoise train x --denoiser dn", [name for name in denoisers.names() if name.startswith("dn")]),
        ("unnoise denoise a.png --precision b", ["bfloat16"]),
    ],
)
def test_the_tab_key_completes(typed: str, proposed: list[str]) -> None:
    environment = os.environ | {
        "_UNNOISE_COMPLETE": "complete_bash",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(typed.split()) - 1),
    }
    code = "from unnoise.cli import main; main()"
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert result.stdout.split() == proposed
