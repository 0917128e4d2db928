"""Damaged model files and graphs, read without PyTorch, are one sentence."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from unnoise import recipes
from unnoise.errors import UnnoiseError
from unnoise.export.onnx_file import metadata
from unnoise.models import onnx_model, stored_networks
from unnoise.models.description import describe
from unnoise.models.model import fresh
from unnoise.models.select import WEIGHTS

RAW = (WEIGHTS / "fast.safetensors").read_bytes()
END = 8 + int.from_bytes(RAW[:8], "little")
HEADER = json.loads(RAW[8:END])
FACTS = "__metadata__"
FIRST = next(name for name in HEADER if name != FACTS)
ENGINES = [
    "onnx",
    pytest.param("openvino", marks=pytest.mark.skipif(not stored_networks.is_installed("openvino"), reason="missing")),
]
SENTENCE = r"^[^\n]*a\.(safetensors|onnx)[^\n]*\.$"


def _stored(path: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """`fast` with another header."""
    header = json.loads(json.dumps(HEADER))
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + RAW[END:])
    return path


@pytest.mark.parametrize("text", ["", "[", "[" * 100_000, "[1]", "null", '{"denoiser": 1}', "9" * 5000], ids=range(7))
@pytest.mark.parametrize("field", ["recipe", "sizes", "card", "denoiser"])
def test_a_damaged_header_is_one_sentence(field: str, text: str, tmp_path: Path) -> None:
    path = _stored(tmp_path / "a.safetensors", lambda header: header[FACTS].update({field: text}))
    with pytest.raises(UnnoiseError, match=SENTENCE):
        onnx_model.load(path)
    if field in ("recipe", "card"):  # the others are not told
        with pytest.raises(UnnoiseError, match=r"a\.safetensors is damaged, or of another version of unnoise; get it again\.$"):
            describe(path)


@pytest.mark.parametrize("field", ["recipe", "card"])
def test_a_header_that_lacks_a_field(field: str, tmp_path: Path) -> None:
    path = _stored(tmp_path / "a.safetensors", lambda header: header[FACTS].pop(field))
    for ask in (onnx_model.load, describe):
        with pytest.raises(UnnoiseError, match=SENTENCE):
            ask(path)


def test_a_denoiser_that_is_another_folder(tmp_path: Path) -> None:
    path = _stored(tmp_path / "a.safetensors", lambda header: header[FACTS].update(denoiser="../graphs/tmbsn-student-rounded"))
    with pytest.raises(UnnoiseError, match="is damaged, or of another version"):
        onnx_model.load(path)


def test_weights_of_a_type_that_numpy_has_not(tmp_path: Path) -> None:
    first, last = HEADER[FIRST]["data_offsets"]
    change = {"dtype": "F8_E4M3", "shape": [last - first]}
    path = _stored(tmp_path / "a.safetensors", lambda header: header[FIRST].update(change))
    with pytest.raises(UnnoiseError, match=r"weights in .*a\.safetensors are of a type that is not read without PyTorch"):
        onnx_model.load(path)


def _graph(path: Path, pads: int = 1, **facts: str) -> Path:
    """A graph of one convolution, as a user may have it."""
    kernel = numpy_helper.from_array(np.full((3, 3, 3, 3), 1 / 27, np.float32), "kernel")
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, "H", "W"]) for name in ("noisy", "restored")]
    ends[1].type.tensor_type.ClearField("shape")
    node = helper.make_node("Conv", ["noisy", "kernel"], ["restored"], pads=[pads] * 4)
    made = helper.make_model(
        helper.make_graph([node], "a", ends[:1], ends[1:], [kernel]), opset_imports=[helper.make_opsetid("", 18)], ir_version=10
    )
    model = fresh(recipes.load("ap-bsn", {"denoiser.features": 4, "denoiser.modules": 1}))
    helper.set_model_props(made, metadata(model, network_only=False) | facts)
    onnx.save(made, path)
    return path


@pytest.mark.parametrize("engine", ENGINES)
def test_a_graph_s_damaged_facts_are_one_sentence(engine: Any, tmp_path: Path) -> None:
    noisy = np.full((12, 14, 3), 90, np.uint8)
    assert onnx_model.load(_graph(tmp_path / "a.onnx"), engine=engine).denoise(noisy, refine=False).shape == noisy.shape
    for field, texts in {
        "sizes": ["[", "[1]", "[" * 100_000, "3", '{"channels": "x"}', '{"channels": []}', '{"channels": 0}'],
        "size_multiple": ["x", "-3", "1e3", "9" * 5000],
        "halo": ["x", "-1"],
        "bytes_per_pixel": ["x", "-1", "nan", "inf"],
    }.items():
        for text in texts:
            with pytest.raises(UnnoiseError, match=r"a\.onnx has damaged metadata; get it again, or export it anew\.$"):
                onnx_model.load(_graph(tmp_path / "a.onnx", **{field: text}), engine=engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_graph_whose_result_has_another_size(engine: Any, tmp_path: Path) -> None:
    model = onnx_model.load(_graph(tmp_path / "a.onnx", pads=0), engine=engine)
    with pytest.raises(
        UnnoiseError, match=r"a\.onnx gives \(1, 3, \d+, \d+\) for a picture of \(1, 3, \d+, \d+\): it is damaged"
    ):
        model.denoise(np.full((12, 14, 3), 90, np.uint8), refine=False)


@pytest.mark.parametrize("engine", ENGINES)
def test_facts_that_are_no_text(engine: Any, tmp_path: Path) -> None:
    path = _graph(tmp_path / "a.onnx", halo="8" * 40)
    path.write_bytes(path.read_bytes().replace(b"8" * 40, b"\xff" * 40))
    with pytest.raises(UnnoiseError, match=r"^[^\n]+$"):
        onnx_model.load(path, engine=engine)
