"""Weights are put into graphs as the package onnx itself would."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from unnoise.errors import UnnoiseError
from unnoise.inference.graph_weights import metadata_of, with_weights


def graph_of(constants: dict[str, np.ndarray], outside: set[str], facts: dict[str, str]) -> onnx.ModelProto:
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    for tensor in tensors:
        if tensor.name in outside:
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value="weights")
    shown = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in "xy"]
    model = helper.make_model(helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", shown[:1], shown[1:], tensors))
    for key, value in facts.items():
        model.metadata_props.add(key=key, value=value)
    return model


@given(
    st.dictionaries(st.text(min_size=1, max_size=200), st.lists(st.floats(width=32), max_size=200), max_size=4),
    st.dictionaries(st.text(max_size=5), st.text(max_size=300), max_size=3),
    st.data(),
)
def test_only_what_lies_outside_is_put_in(values: dict[str, list[float]], facts: dict[str, str], data: st.DataObject) -> None:
    constants = {name: np.array(each, np.float32) for name, each in values.items()}
    outside = set(data.draw(st.lists(st.sampled_from(sorted(constants)), unique=True))) if constants else set()
    model = graph_of(constants, outside, facts)
    content = model.SerializeToString()
    whole = onnx.load_from_string(with_weights(content, {name: constants[name] for name in outside}))
    assert metadata_of(content) == facts
    for tensor in whole.graph.initializer:
        assert not tensor.external_data
        np.testing.assert_array_equal(numpy_helper.to_array(tensor), constants[tensor.name])
    del model.graph.initializer[:], whole.graph.initializer[:]
    assert whole == model


def test_weights_that_lack_are_named() -> None:
    content = graph_of({"w": np.zeros(2, np.float32)}, {"w"}, {}).SerializeToString()
    with pytest.raises(UnnoiseError, match="The graph needs the weights 'w', which the model file lacks"):
        with_weights(content, {})


@pytest.mark.parametrize("content", [b"\xff", b"\x3a\x05ab", b"\x3a\xff\xff\xff", b"\x0f", b"PK\x03\x04 no graph"])
def test_what_is_no_graph_is_said(content: bytes) -> None:
    with pytest.raises(UnnoiseError, match="This is no ONNX file, or a damaged one"):
        with_weights(content, {})


@pytest.mark.parametrize(
    "content", [b"\x72\x02\x0a\x05", b"\x72\x03\x0a\x01\xff", b"\x70\x05", b"\x72\x0a\x08" + b"\xff" * 8 + b"\x7f"]
)
def test_facts_that_are_no_text(content: bytes) -> None:
    """Among them a number where a text should be: as bytes, it would be so many zeros."""
    with pytest.raises(UnnoiseError, match="This is no ONNX file, or a damaged one"):
        metadata_of(content)
