"""The ONNX graphs around the network, against torch's padding; no network and no exporter is needed."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from onnx import compose

from unnoise.export.padding import Padding, PaddingMode, after, before
from unnoise.export.parity import session
from unnoise.layers.polyphase import pad_to_multiple
from unnoise.layers.reflection_padding import pad_to_multiple_reflect

SIZES = [(1, 1), (1, 9), (2, 3), (5, 4), (7, 31), (8, 16), (33, 9)]


def _repeated(x: torch.Tensor, least: int) -> torch.Tensor:
    missing = [max(0, least - length) for length in x.shape[-2:]]
    return F.pad(x, (0, missing[1], 0, missing[0]), mode="replicate")


@pytest.mark.parametrize(
    ("mode", "to", "reference"),
    [("reflect", 8, pad_to_multiple_reflect), ("zeros", 3, pad_to_multiple), ("repeat", 4, _repeated)],
)
def test_a_picture_is_padded_as_torch_pads_it(mode: PaddingMode, to: int, reference: object) -> None:
    run = session(before(2, Padding(mode, to), (-1.0, 3.0)).SerializeToString())
    for size in SIZES:
        noisy = torch.rand(1, 2, *size)
        np.testing.assert_allclose(run(noisy.numpy()), reference(noisy * 4 - 1, to).numpy(), atol=1e-6)  # type: ignore[operator]


def test_the_end_undoes_the_beginning() -> None:
    padding, values = Padding("zeros", 5), (0.0, 255.0)
    end = compose.add_prefix(after(1, padding, values), "end_", rename_inputs=False, rename_outputs=False)
    both = compose.merge_models(before(1, padding, values), end, io_map=[("shown", "result")])
    opened = onnx.load_from_string(both.SerializeToString())
    assert [each.name for each in opened.graph.input] == ["noisy", "picture"]
    (crop,) = (node for node in both.graph.node if node.op_type == "Shape" and "picture" in node.input)
    crop.input[0] = "noisy"
    del both.graph.input[1:]
    run = session(both.SerializeToString())
    for size in SIZES:
        noisy = np.random.default_rng(0).random((1, 1, *size), np.float32)
        np.testing.assert_allclose(run(noisy), noisy, atol=1e-6)


def test_nothing_is_added_where_nothing_is_needed() -> None:
    assert [node.op_type for node in before(3, Padding("none", 32), (0.0, 1.0)).graph.node] == ["Identity"]
