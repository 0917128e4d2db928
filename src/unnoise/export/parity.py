"""Whether an ONNX graph gives what torch gives: both restore the same random pictures of several sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unnoise.errors import UnnoiseError
from unnoise.inference.graph_network import first_line
from unnoise.registry import require

SIZES = (1, 1), (2, 3), (37, 50), (64, 96)
"""Heights and widths in pixels that every export is checked at: the smallest, odd ones, and one without padding."""
TOLERANCE = {"float32": 1e-4, "float16": 4e-3, "int8": 4e-2}
"""Largest difference of a graph by its precision, as a share of the range from black to white: float16 has 11 bits, and 256
steps of each map add up. Single values of the drawn pictures differ by up to 0.012 in int8 (`fast`)."""
CONTRAST = {"int8": 0.5}
"""By precision: the share of the range that the drawn pictures fill. The steps of int8 hold what pictures hold. Noise from black to
white is stronger than any, and its largest values are cut off."""

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""(1, C, H, W) → (1, C, H, W)."""


def session(model: bytes | str, providers: Iterable[str] = ("CPUExecutionProvider",), threads: int = 0) -> Run:
    """onnxruntime on a graph with one input and one output.

    Args:
        model: the bytes of an ONNX file, or its path.
        providers: which of onnxruntime's execution providers compute, the first that is there.
        threads: of one operation; 0: as many as there are cores.

    Raises:
        UnnoiseError: onnxruntime is not installed, or cannot open the graph.
    """
    runtime: Any = require("onnxruntime", "Running an ONNX file")
    settings = runtime.SessionOptions()
    settings.log_severity_level = 3
    settings.intra_op_num_threads = threads
    try:
        opened = runtime.InferenceSession(model, settings, providers=list(providers))
    except Exception as error:  # onnxruntime raises errors of many kinds
        raise UnnoiseError(f"onnxruntime {runtime.__version__} cannot open the graph: {first_line(error)}") from error
    name = opened.get_inputs()[0].name

    def run(noisy: NDArray[np.float32]) -> NDArray[np.float32]:
        result: NDArray[np.float32] = opened.run(None, {name: noisy})[0]
        return result

    return run


def largest_difference(
    run: Run,
    reference: Callable[[Tensor], Tensor],
    channels: int,
    value_range: tuple[float, float] = (0.0, 1.0),
    sizes: Iterable[tuple[int, int]] = SIZES,
    contrast: float = 1.0,
) -> dict[tuple[int, int], float]:
    """For each size the largest difference of two restorations of a random picture, as a share of the value range.

    Args:
        run: the graph, as `session` opens it.
        reference: the same by torch, (1, C, H, W) → (1, C, H, W).
        channels: C.
        value_range: black and white in both's numbers.
        sizes: heights and widths in pixels.
        contrast: share of the range that the pictures fill, around its middle.

    Example:
        >>> largest_difference(lambda x: 0 * x + 0.5, lambda x: 0 * x, 3, sizes=[(2, 2)])
        {(2, 2): 0.5}
    """
    low, high = value_range
    generator = torch.Generator().manual_seed(0)
    found = {}
    for size in sizes:
        noisy = (0.5 + contrast * (torch.rand(1, channels, *size, generator=generator) - 0.5)) * (high - low) + low
        with torch.inference_mode():
            wanted = reference(noisy)
        got = torch.from_numpy(run(noisy.numpy()))
        found[size] = float((got - wanted).abs().max()) / (high - low)
    return found
