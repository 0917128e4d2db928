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
from unnoise.inference.byte_weights import byte_constants, from_json
from unnoise.inference.graph_weights import WEIGHT_PREFIX, metadata_of, with_weights
from unnoise.models import shipped


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
    return in_int8(make_graph(network, None, folded=False), network, folded=False)


@pytest.fixture(scope="module")
def folded_graph(network: QuantizedStudent) -> onnx.ModelProto:
    return in_int8(make_graph(network, None, folded=False), network)


def test_folded_it_is_as_near_to_the_exact_network(
    network: QuantizedStudent, graph: onnx.ModelProto, folded_graph: onnx.ModelProto
) -> None:
    noisy = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    exact = network(noisy).detach().numpy()
    plain, folded = (
        np.abs(parity.session(each.SerializeToString())(noisy.numpy()) - exact).mean() for each in (graph, folded_graph)
    )
    assert 0 < folded < 1.3 * plain
    products = [sum(node.op_type == "Conv" for node in each.graph.node) for each in (graph, folded_graph)]
    assert products[1] > products[0]  # phases


def test_it_rounds_as_the_network_does_in_training(network: QuantizedStudent, graph: onnx.ModelProto) -> None:
    noisy = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    exact = network(noisy).detach().numpy()
    rounded = network.train()(noisy).detach().numpy()
    network.eval()
    got = parity.session(graph.SerializeToString())(noisy.numpy())
    off = np.abs(got - rounded)  # single values fall on the other side of a half
    assert off.mean() < 0.1 * np.abs(rounded - exact).mean()
    assert np.abs(rounded - exact).mean() > 0


@pytest.mark.parametrize(("which", "in_float"), [("graph", 2), ("folded_graph", 5)])
def test_weights_are_bytes(which: str, in_float: int, request: pytest.FixtureRequest) -> None:
    graph = request.getfixturevalue(which)
    kinds = {each.name: each.data_type for each in graph.graph.initializer}
    makers = {node.output[0]: node for node in graph.graph.node}
    weights = [makers.get(node.input[1]) for node in graph.graph.node if node.op_type == "Conv"]
    of_bytes = [maker for maker in weights if maker is not None and maker.op_type == "DequantizeLinear"]
    assert all(kinds[maker.input[0]] == onnx.TensorProto.INT8 for maker in of_bytes)
    assert len(weights) - len(of_bytes) == in_float  # the first layer, and the last, which has four phases


def test_the_shipped_graph_of_bytes_gets_the_constants_of_the_exported_one() -> None:
    network = unnoise.load("fast").network.float().eval()
    exported = in_int8(make_graph(network, None, folded=False), network)
    bare = shipped.load("fast", "onnx").network._in_bytes
    assert bare is not None
    content = bare.graph.read_bytes()
    state = {name: value.float().numpy() for name, value in network.state_dict().items()}
    made = byte_constants(from_json(metadata_of(content)["byte_weights"]), state)
    raw = {WEIGHT_PREFIX + name: value for name, value in state.items()}
    filled = onnx.load_from_string(with_weights(content, raw | made))
    noisy = np.random.default_rng(0).random((1, 3, 37, 70), np.float32)
    ours, theirs = (parity.session(each.SerializeToString())(noisy) for each in (filled, exported))
    assert np.abs(ours - theirs).max() < 1e-3


def test_a_network_without_steps_is_refused() -> None:
    network = denoisers.create("dncnn", features=2, layers=3).eval()
    with pytest.raises(UsageError, match="A DnCNN has no quantization steps, so it has no int8 form; run 'unnoise quantize'"):
        in_int8(make_graph(network, None), network)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fast", "default"])
def test_the_shipped_models_are_near_in_bytes(name: str) -> None:
    network = unnoise.load(name).network
    graph = in_int8(make_graph(network, None, folded=False), network)
    assert len(graph.SerializeToString()) < 0.5 * 4 * network.parameter_count()
    run = parity.session(graph.SerializeToString())
    found = parity.largest_difference(run, network, 3, contrast=parity.CONTRAST["int8"])
    assert 1e-5 < max(found.values()) <= parity.TOLERANCE["int8"]
