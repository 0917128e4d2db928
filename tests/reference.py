"""Where the reference files and the real photographs are, and skips with a reason where they are not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import pytest
import torch
from safetensors.torch import load_file

from unnoise.inference.precision import has_fast_int8

DATA = Path(os.environ.get("UNNOISE_DATA", Path(__file__).parents[1].parent / "shared" / "data")).resolve()


is_marked = False
"""Whether the test that runs bears the marker `data`; set before each."""


def _check_marked() -> None:
    """Fail where the marker is missing, so that `-m "not data"` leaves out all tests that need files from elsewhere."""
    if not is_marked:
        pytest.fail("This test needs files from UNNOISE_DATA; mark it with @pytest.mark.data.")


def _absent(reason: str) -> NoReturn:
    """Skip; but where UNNOISE_DATA promises the data, as in CI, their absence is a failure."""
    if "UNNOISE_DATA" in os.environ:
        pytest.fail(reason)
    pytest.skip(reason)


needs_int8 = pytest.mark.skipif(not has_fast_int8(torch.device("cpu")), reason="this CPU does not multiply bytes (VNNI or AMX)")


def data_dir(name: str) -> Path:
    """A folder of real photographs ('sidd_val', 'polyu', 'rni15'), or a skip."""
    _check_marked()
    folder = DATA / name
    if not folder.is_dir():
        _absent(f"the data set {name} is not at {folder}; set UNNOISE_DATA to the folder that holds it")
    return folder


def golden(name: str) -> tuple[dict[str, torch.Tensor], dict[str, tuple[torch.Tensor, torch.Tensor]]]:
    """The reference file `name`: weights under their published keys, and for each case its (input, output)."""
    _check_marked()
    path = DATA.parent / "golden" / f"{name}.safetensors"
    if not path.is_file():
        _absent(f"the reference file {path} is absent; set UNNOISE_DATA to the data folder beside 'golden'")
    tensors = load_file(path)
    weights = {key.removeprefix("weights."): value for key, value in tensors.items() if key.startswith("weights.")}
    cases = {
        key.removesuffix(".input"): (value, tensors[key.replace(".input", ".output")])
        for key, value in tensors.items()
        if key.endswith(".input")
    }
    return weights, cases


def relative_error(result: torch.Tensor, reference: torch.Tensor) -> float:
    """Largest absolute difference over the reference's largest magnitude: what the golden files are judged by."""
    return ((result - reference).abs().max() / reference.abs().max()).item()


def wide_open(network: torch.nn.Module) -> torch.nn.Module:
    """The network with all weights positive and in float64, so that no ReLU is shut and every path that exists carries gradient."""
    for parameter in network.parameters():
        parameter.data.abs_()
    return network.double()
