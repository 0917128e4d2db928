"""What is done to a picture before and after the network, as ONNX graphs: value range, padding, and cropping.

Sides of any length enter, and the network gets sides that it takes. The arithmetic on sides is written here rather than
traced, because torch's exporter gets remainders of negative numbers wrong (torch 2.13).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import onnx
from onnx import parser

OPSET = 18
"""Version of ONNX's operators. onnxruntime reads it from version 1.14 on."""
IR_VERSION = 10

PaddingMode = Literal["none", "zeros", "reflect", "repeat"]


@dataclass(frozen=True)
class Padding:
    """How a picture is extended at the bottom and right.

    >>> Padding("reflect", 32).is_needed, Padding("none", 1).is_needed
    (True, False)
    """

    mode: PaddingMode
    to: int
    """Pixels: sides become multiples of it; for *repeat* they become at least as long."""

    @property
    def is_needed(self) -> bool:
        """Whether any picture is extended."""
        return self.mode != "none" and self.to > 1


def before(channels: int, padding: Padding, value_range: tuple[float, float]) -> onnx.ModelProto:
    """The graph before the network: (1, C, H, W) in 0..1 → (1, C, H', W') in the network's values.

    >>> [node.op_type for node in before(3, Padding("none", 1), (0.0, 255.0)).graph.node]
    ['Constant', 'Constant', 'Mul', 'Add', 'Identity']
    """
    low, high = value_range
    lines, last = [], "noisy"
    if value_range != (0, 1):
        lines += [
            f"span = Constant <value = float {{{float(high - low)}}}>()",
            f"black = Constant <value = float {{{float(low)}}}>()",
            "wide = Mul(noisy, span)",
            "scaled = Add(wide, black)",
        ]
        last = "scaled"
    if padding.is_needed:
        lines += [*_lengths("height", 2, padding), *_lengths("width", 3, padding)]
        if padding.mode == "zeros":
            lines += [
                "none = Constant <value_ints = [0, 0, 0, 0, 0, 0]>()",
                "height_missing = Sub(height_total, height_length)",
                "width_missing = Sub(width_total, width_length)",
                "pads = Concat <axis = 0>(none, height_missing, width_missing)",
                f"padded = Pad({last}, pads)",
            ]
        else:
            lines += [
                *_places("height", padding.mode),
                *_places("width", padding.mode),
                f"tall = Gather <axis = 2>({last}, height_places)",
                "padded = Gather <axis = 3>(tall, width_places)",
            ]
        last = "padded"
    lines.append(f"shown = Identity({last})")
    return _model("before", f"float[1,{channels},H,W] noisy", f"float[1,{channels},H2,W2] shown", lines)


def after(channels: int, padding: Padding, value_range: tuple[float, float]) -> onnx.ModelProto:
    """The graph after the network: its result (1, C, H', W') and the noisy picture → (1, C, H, W) in 0..1.

    >>> [node.op_type for node in after(3, Padding("none", 1), (0.0, 1.0)).graph.node]
    ['Identity']
    """
    low, high = value_range
    lines, last = [], "result"
    inputs = f"float[1,{channels},H2,W2] result"
    if padding.is_needed:
        inputs += f", float[1,{channels},H,W] picture"
        lines += [
            "ends = Shape <start = 2, end = 4>(picture)",
            "starts = Constant <value_ints = [0, 0]>()",
            "axes = Constant <value_ints = [2, 3]>()",
            "cropped = Slice(result, starts, ends, axes)",
        ]
        last = "cropped"
    if value_range != (0, 1):
        lines += [
            f"black = Constant <value = float {{{float(low)}}}>()",
            f"span = Constant <value = float {{{float(high - low)}}}>()",
            f"above = Sub({last}, black)",
            "unit = Div(above, span)",
        ]
        last = "unit"
    lines.append(f"restored = Identity({last})")
    return _model("after", inputs, f"float[1,{channels},H,W] restored", lines)


def _lengths(side: str, axis: int, padding: Padding) -> list[str]:
    """The side's length and the length that it is extended to, of shape (1) each."""
    lines = [
        f"{side}_length = Shape <start = {axis}, end = {axis + 1}>(noisy)",
        f"{side}_to = Constant <value_ints = [{padding.to}]>()",
    ]
    if padding.mode == "repeat":
        return [*lines, f"{side}_total = Max({side}_length, {side}_to)"]
    return [
        *lines,
        f"{side}_rest = Constant <value_ints = [{padding.to - 1}]>()",
        f"{side}_more = Add({side}_length, {side}_rest)",
        f"{side}_count = Div({side}_more, {side}_to)",
        f"{side}_total = Mul({side}_count, {side}_to)",
    ]


def _places(side: str, mode: PaddingMode) -> list[str]:
    """Which row, or column, each one of the extended picture is taken from.

    For *reflect* these are 0, 1, …, n − 1, n − 2, …, 1, 0, 1, …; a side of one pixel is repeated.
    """
    lines = [
        f"{side}_scalar = Squeeze({side}_total)",
        f"{side}_zero = Constant <value_int = 0>()",
        f"{side}_step = Constant <value_int = 1>()",
        f"{side}_all = Range({side}_zero, {side}_scalar, {side}_step)",
        f"{side}_one = Constant <value_ints = [1]>()",
        f"{side}_last = Sub({side}_length, {side}_one)",
    ]
    if mode == "repeat":
        return [*lines, f"{side}_places = Min({side}_all, {side}_last)"]
    return [
        *lines,
        f"{side}_there_and_back = Add({side}_last, {side}_last)",
        f"{side}_period = Max({side}_there_and_back, {side}_one)",
        f"{side}_forth = Mod({side}_all, {side}_period)",
        f"{side}_back = Sub({side}_period, {side}_forth)",
        f"{side}_places = Min({side}_forth, {side}_back)",
    ]


def _model(name: str, inputs: str, outputs: str, lines: list[str]) -> onnx.ModelProto:
    body = "\n".join(lines)
    return parser.parse_model(
        f'<ir_version: {IR_VERSION}, opset_import: ["" : {OPSET}]>\n{name} ({inputs}) => ({outputs}) {{\n{body}\n}}'
    )
