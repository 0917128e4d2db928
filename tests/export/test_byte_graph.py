"""The graph of bytes computes what the network computes in training, where it rounds weights and maps."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch

import unnoise
from unnoise import denoisers
from unnoise.denoisers.quantized_student import QuantizedStudent
from unnoise.errors import UsageError
from unnoise.export import parity
from unnoise.export.byte_graph import in_int8
from unnoise.export.graph import make_graph


@pytest.fixture(scope="module")
def network() -> QuantizedStudent:
    torch.manual_seed(0)
    made = denoisers.create("tmbsn-student-rounded", width=6)
    assert isinstance(made, QuantizedStudent)
    for name, value in made.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(value, std=0.1)
    made.calibrate([torch.rand(1, 3, 64, 64)])
    return made.eval()


@pytest.fixture(scope="module")
def graph(network: QuantizedStudent) -> onnx.ModelProto:
    return in_int8(make_graph(network, None, folded=False), network)


def test_it_rounds_as_the_network_does_in_training(network: QuantizedStudent, graph: onnx.ModelProto) -> None:
    noisy = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    exact = network(noisy).detach().numpy()
    rounded = network.train()(noisy).detach().numpy()
    network.eval()
    got = parity.session(graph.SerializeToString())(noisy.numpy())
    off = np.abs(got - rounded)  # single values fall on the other side of a half
    assert off.mean() < 0.1 * np.abs(rounded - exact).mean()
    assert np.abs(rounded - exact).mean() > 0


def test_weights_are_bytes(graph: onnx.ModelProto) -> None:
    kinds = {each.name: each.data_type for each in graph.graph.initializer}
    inner = [node for node in graph.graph.node if node.op_type == "Conv"][1:-1]
    makers = {node.output[0]: node for node in graph.graph.node}
    for node in inner:
        assert kinds[makers[node.input[1]].input[0]] == onnx.TensorProto.INT8


def test_a_network_without_steps_is_refused() -> None:
    network = denoisers.create("dncnn", features=2, layers=3).eval()
    with pytest.raises(UsageError, match="A DnCNN has no quantization steps, so it has no int8 form; run 'unnoise quantize'"):
        in_int8(make_graph(network, None), network)


@pytest.mark.slow
def test_the_shipped_model_is_near_in_bytes() -> None:
    network = unnoise.load("fast").network
    graph = in_int8(make_graph(network, None, folded=False), network)
    assert len(graph.SerializeToString()) < 0.4 * 4 * network.parameter_count()
    found = parity.largest_difference(parity.session(graph.SerializeToString()), network, 3)
    assert 1e-5 < max(found.values()) <= parity.TOLERANCE["int8"]
