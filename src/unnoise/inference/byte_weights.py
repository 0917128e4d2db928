"""The constants of graphs whose weights and maps are bytes, made of a network's weights and of the steps of its maps.

A graph has one step for a whole map where the network has one for each channel (`layers/quantized/`), so the weights before
and after a map absorb the channels' factors. The sums of weights of folded layers (`export/upsampling.py`) are rounded anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.inference.graph_weights import WEIGHT_PREFIX

MOST_OF_WEIGHTS = 127
"""Weights are whole numbers from −127 to 127."""
LEAST_STEP = 1e-14
"""Of channels whose weights are all 0."""
STEPS_ENDING = ".log_maximum"
"""The logarithm of what a map's channels can hold at most, (C): the weights that only graphs of bytes need."""


@dataclass(frozen=True)
class ByteWeight:
    """How the weights of one convolution of a graph follow from those of the network.

    >>> ByteWeight("dec1_2_low00", "dec1_2", ("dec2_1", "enc1"), True, True, 0, 96, [[1, 1, 0], [0, 0, 1]], None).layer
    'dec1_2'
    """

    name: str
    """Of the constant in the graph; bytes have `_bytes` and `_step` behind it."""
    layer: str
    """The network's layer: its weights are `.conv.weight`."""
    sources: tuple[str, ...]
    """The layers whose maps enter, in the order of channels; none: the picture."""
    rounds_result: bool
    """Whether the layer's result is a map of bytes."""
    is_bytes: bool
    """Whether the weights are."""
    first: int = 0
    last: int = 2**31 - 1
    """The input channels that this convolution reads: from `first` to before `last`."""
    rows: list[list[float]] | None = None
    """(2, 3): sums of rows of weights, for one phase of a doubled map."""
    columns: list[list[float]] | None = None
    """(3, 2): sums of columns."""


def to_json(plan: Sequence[ByteWeight]) -> str:
    """All of them as text, for the metadata of a graph.

    >>> from_json(to_json([ByteWeight("a", "enc1", (), True, False)]))[0].name
    'a'
    """
    return json.dumps([asdict(each) for each in plan])


def from_json(text: str) -> list[ByteWeight]:
    """The inverse of `to_json`.

    >>> from_json("[]")
    []
    """
    return [ByteWeight(**each | {"sources": tuple(each["sources"])}) for each in json.loads(text)]


def byte_constants(
    plan: Sequence[ByteWeight], weights: Mapping[str, NDArray[np.float32]]
) -> dict[str, NDArray[np.float32] | NDArray[np.int8]]:
    """The constants of a graph by their names in it: weights of int8 with steps in float32; other weights and biases in float32.

    Args:
        plan: one entry for each convolution.
        weights: by their names in the network; with the steps of maps, `LAYER.log_maximum`.

    >>> weights = {"a.conv.weight": np.full((1, 1, 3, 3), 2.0, np.float32), "a.conv.bias": np.ones(1, np.float32)}
    >>> made = byte_constants([ByteWeight("w", "a", ("b",), False, True)], weights | {"b.log_maximum": np.zeros(1, np.float32)})
    >>> made["w_bytes"][0, 0, 0].tolist(), round(float(made["w_step"][0] * 127), 3), made["core_network.a.conv.bias"].tolist()
    ([127, 127, 127], 2.0, [1.0])
    """
    made: dict[str, NDArray[np.float32] | NDArray[np.int8]] = {}
    for each in plan:
        weight: NDArray[Any] = weights[f"{each.layer}.conv.weight"]
        bias: NDArray[Any] | None = weights.get(f"{each.layer}.conv.bias")
        if each.sources:
            weight = weight * np.exp(np.concatenate([weights[source + STEPS_ENDING] for source in each.sources]))[:, None, None]
        if each.rounds_result:
            held = np.exp(weights[each.layer + STEPS_ENDING])
            weight = weight / held[:, None, None, None]
            bias = None if bias is None else bias / held
        if bias is not None:
            made[f"{WEIGHT_PREFIX}{each.layer}.conv.bias"] = bias
        weight = weight[:, each.first : each.last]
        if each.rows is not None:
            weight = np.array(each.rows, np.float32) @ weight
        if each.columns is not None:
            weight = weight @ np.array(each.columns, np.float32)
        if not each.is_bytes:
            made[each.name] = weight
            continue
        step = np.maximum(np.abs(weight).max((1, 2, 3)) / MOST_OF_WEIGHTS, LEAST_STEP)  # (C')
        made[f"{each.name}_bytes"] = np.rint(weight / step[:, None, None, None]).astype(np.int8)
        made[f"{each.name}_step"] = step.astype(np.float32)
    return made
