"""Convolutions after a doubled map, in fewer products: a pass over ONNX graphs of U-Nets.

A map that nearest-neighbour doubling made repeats each pixel four times, so a 3×3 convolution multiplies the same pixel by
several weights. The sums of these weights are four kernels of 2×2, one for each *phase*: the output pixels whose row and
column are even or odd. That takes 4/9 of the products (Shi et al., "Is the deconvolution layer the same as a convolutional
layer?", 2016). Skipped maps are added by a convolution of their own. At the full size of the picture the phases stay apart,
and the last convolution reads them as they are; so no large map is ever put together.

The sums are nodes of the graph on constants, which runtimes compute once, when they open it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, helper, numpy_helper, shape_inference

PHASES = (0, 0), (0, 1), (1, 0), (1, 1)
"""Row and column of an output pixel, modulo 2, in the order of `DepthToSpace`."""
MOST_LAST_CHANGES = 4
"""Channels of a last convolution that is worth reading phases: its kernels have four times as many outputs."""


def fold_upsampling(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph, where convolutions of a doubled map and a skipped one take 4/9 of the products for the former.

    Graphs without such convolutions come back as they are.

    Example:
        >>> from onnx import parser
        >>> text = '<ir_version: 10, opset_import: ["" : 18]> g (float[1] x) => (float[1] y) { y = Relu(x) }'
        >>> [node.op_type for node in fold_upsampling(parser.parse_model(text)).graph.node]
        ['Relu']
    """
    return _Folding(model).run()


@dataclass(frozen=True)
class _Doubled:
    """A convolution of a doubled map beside a skipped one."""

    node: NodeProto
    low: str
    skip: str
    low_channels: int

    @property
    def weight(self) -> str:
        return str(self.node.input[1])


class _Folding:
    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        graph = shape_inference.infer_shapes(model).graph
        self.constants = {each.name: each for each in model.graph.initializer}
        self.makers = {name: node for node in model.graph.node for name in node.output}
        self.uses = Counter(name for node in model.graph.node for name in node.input)
        self.readers = {name: node for node in model.graph.node for name in node.input}
        self.channels = {
            each.name: each.type.tensor_type.shape.dim[1].dim_value
            for each in (*graph.value_info, *graph.input, *graph.output)
            if len(each.type.tensor_type.shape.dim) == 4
        }
        self.made: list[NodeProto] = []

    def run(self) -> onnx.ModelProto:
        done: set[str] = set()
        for node in self.model.graph.node:
            if node.output[0] in done:
                continue
            found = self._doubled(node)
            if found is None:
                self.made.append(node)
            elif last := self._last(found):
                done |= {each.output[0] for each in last}
                self._at_full_size(found, *last)
            else:
                self._put_together(found)
        self._keep_what_is_used()
        return self.model

    def _doubled(self, node: NodeProto) -> _Doubled | None:
        if not _is_plain_3x3(node) or len(node.input) < 3:
            return None
        joined = self.makers.get(node.input[0])
        if joined is None or joined.op_type != "Concat" or len(joined.input) != 2:
            return None
        doubled = self.makers.get(joined.input[0])
        if doubled is not None and doubled.op_type == "Pad" and not self._constant(doubled.input[1]).any():
            doubled = self.makers.get(doubled.input[0])
        if doubled is None or doubled.op_type != "Resize" or self._constant(doubled.input[2]).tolist() != [1, 1, 2, 2]:
            return None
        if _attribute(doubled, "mode", b"nearest") != b"nearest":
            return None
        channels = self.channels.get(doubled.input[0], 0)
        return _Doubled(node, doubled.input[0], joined.input[1], channels) if channels else None

    def _last(self, found: _Doubled) -> tuple[NodeProto, NodeProto] | None:
        """The activation and the last convolution, if nothing else reads the map between."""
        activation = self._only_reader(found.node.output[0])
        if activation is None or activation.op_type not in ("LeakyRelu", "Relu"):
            return None
        last = self._only_reader(activation.output[0])
        if last is None or not _is_plain_3x3(last) or len(last.input) < 3:
            return None
        return (activation, last) if self.constants[last.input[1]].dims[0] <= MOST_LAST_CHANGES else None

    def _put_together(self, found: _Doubled) -> None:
        """Four phases of the doubled map, joined to one map, and the skipped map."""
        name = found.node.output[0]
        own, skipped = self._split_weight(found)
        phases = [self._of_low(found, own, phase) for phase in PHASES]
        self._add("Concat", phases, f"{name}_phases", axis=1)
        self._add("DepthToSpace", [f"{name}_phases"], f"{name}_doubled", blocksize=2)
        self._add("Conv", [found.skip, skipped, found.node.input[2]], f"{name}_skipped", kernel_shape=[3, 3], pads=[1, 1, 1, 1])
        self._add("Add", [f"{name}_skipped", f"{name}_doubled"], name)

    def _at_full_size(self, found: _Doubled, activation: NodeProto, last: NodeProto) -> None:
        """Four phases of the whole, and of the last convolution, whose few channels are then joined."""
        name, result = found.node.output[0], last.output[0]
        own, skipped = self._split_weight(found)
        total = ""
        for phase in PHASES:
            row, column = phase
            low = self._of_low(found, own, phase)
            pads = [1 - row, 1 - column, row, column]
            whole = f"{name}_whole{row}{column}"
            inputs = [found.skip, skipped, found.node.input[2]]
            self._add("Conv", inputs, f"{whole}_skipped", kernel_shape=[3, 3], strides=[2, 2], pads=pads)
            self._add("Add", [f"{whole}_skipped", low], f"{whole}_sum")
            active = NodeProto()
            active.CopyFrom(activation)
            active.input[0], active.output[0], active.name = f"{whole}_sum", f"{whole}_active", f"{whole}_active"
            self.made.append(active)
            total = self._of_phase(last, phase, f"{whole}_active", total)
        self._add("DepthToSpace", [total], result, blocksize=2)

    def _split_weight(self, found: _Doubled) -> tuple[str, str]:
        """Names of the weights for the doubled and for the skipped map."""
        name = found.node.output[0]
        for part, start, end in (("own", 0, found.low_channels), ("other", found.low_channels, 2**31 - 1)):
            bounds = [self._keep(f"{name}_{part}_{key}", [value]) for key, value in (("from", start), ("to", end), ("axis", 1))]
            self._add("Slice", [found.weight, *bounds], f"{name}_{part}")
        return f"{name}_own", f"{name}_other"

    def _of_low(self, found: _Doubled, weight: str, phase: tuple[int, int]) -> str:
        """One phase of the convolution of the doubled map, from the map itself. Returns its name."""
        row, column = phase
        name = f"{found.node.output[0]}_low{row}{column}"
        left, right = self._keep(f"{name}_rows", _repeated(row)), self._keep(f"{name}_columns", _repeated(column).T)
        self._add("MatMul", [left, weight], f"{name}_half")  # (O, C, 2, 3)
        self._add("MatMul", [f"{name}_half", right], f"{name}_kernel")  # (O, C, 2, 2)
        pads = [1 - row, 1 - column, row, column]
        self._add("Conv", [found.low, f"{name}_kernel"], name, kernel_shape=[2, 2], pads=pads)
        return name

    def _of_phase(self, last: NodeProto, phase: tuple[int, int], source: str, before: str) -> str:
        """What one phase adds to all phases of the last convolution, and what came before. Returns the sum's name."""
        row, column = phase
        name = f"{last.output[0]}_from{row}{column}"
        weight, bias = last.input[1], last.input[2]
        outputs, channels = self.constants[weight].dims[:2]
        rows = np.stack([_reached(to, row) for to, _ in PHASES])[:, None, None]  # (4, 1, 1, 2, 3)
        columns = np.stack([_reached(to, column).T for _, to in PHASES])[:, None, None]  # (4, 1, 1, 3, 2)
        self._add("MatMul", [self._keep(f"{name}_rows", rows), weight], f"{name}_half")  # (4, O, C, 2, 3)
        self._add("MatMul", [f"{name}_half", self._keep(f"{name}_columns", columns)], f"{name}_kernels")  # (4, O, C, 2, 2)
        shape = self._keep(f"{name}_shape", [4 * outputs, channels, 2, 2])
        self._add("Reshape", [f"{name}_kernels", shape], f"{name}_kernel")
        inputs = [source, f"{name}_kernel"]
        if not before:
            self._add("Concat", [bias] * 4, f"{name}_bias", axis=0)
            inputs.append(f"{name}_bias")
        self._add("Conv", inputs, name, kernel_shape=[2, 2], pads=[row, column, 1 - row, 1 - column])
        if not before:
            return name
        self._add("Add", [name, before], f"{name}_sum")
        return f"{name}_sum"

    def _add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> None:
        self.made.append(helper.make_node(kind, inputs, [output], name=output, **attributes))

    def _keep(self, name: str, value: NDArray[np.float32] | list[int]) -> str:
        array = np.asarray(value, np.int64) if isinstance(value, list) else np.ascontiguousarray(value)
        self.model.graph.initializer.append(numpy_helper.from_array(array, name))
        return name

    def _constant(self, name: str) -> NDArray[np.generic]:
        found = self.constants.get(name)
        return np.full(1, np.nan) if found is None else numpy_helper.to_array(found)

    def _only_reader(self, name: str) -> NodeProto | None:
        outputs = {each.name for each in self.model.graph.output}
        return self.readers.get(name) if self.uses[name] == 1 and name not in outputs else None

    def _keep_what_is_used(self) -> None:
        graph = self.model.graph
        wanted = {each.name for each in graph.output}
        kept = []
        for node in reversed(self.made):
            if wanted & set(node.output):
                kept.append(node)
                wanted |= set(node.input)
        constants = [each for each in graph.initializer if each.name in wanted]
        del graph.node[:], graph.initializer[:]
        graph.node.extend(reversed(kept))
        graph.initializer.extend(constants)


def _repeated(phase: int) -> NDArray[np.float32]:
    """(2, 3): which taps fall on which of two pixels of the small map, for output rows or columns of this phase."""
    sums = np.zeros((2, 3), np.float32)
    for tap in range(3):
        sums[(phase + tap - 1) // 2 + 1 - phase, tap] = 1
    return sums


def _reached(output: int, source: int) -> NDArray[np.float32]:
    """(2, 3): which tap of an output phase falls on which of two pixels of a source phase."""
    taps = np.zeros((2, 3), np.float32)
    for tap in range(3):
        distance = output + tap - 1 - source
        if distance % 2 == 0:
            taps[distance // 2 + source, tap] = 1
    return taps


def _is_plain_3x3(node: NodeProto) -> bool:
    return (
        node.op_type == "Conv"
        and list(_attribute(node, "kernel_shape", ())) == [3, 3]
        and list(_attribute(node, "pads", (0, 0, 0, 0))) == [1, 1, 1, 1]
        and list(_attribute(node, "strides", (1, 1))) == [1, 1]
        and list(_attribute(node, "dilations", (1, 1))) == [1, 1]
        and _attribute(node, "group", 1) == 1
    )


def _attribute(node: NodeProto, name: str, default: Any) -> Any:
    for each in node.attribute:
        if each.name == name:
            return helper.get_attribute_value(each)
    return default
