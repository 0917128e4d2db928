"""The student that learns to run in bytes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from reference import needs_int8
from unnoise import denoisers
from unnoise.denoisers.quantized_student import QuantizedStudent
from unnoise.denoisers.tmbsn import TMBSNStudent
from unnoise.inference.tensor_memory import peak_bytes
from unnoise.layers.partial import halo_crop as parts
from unnoise.layers.quantized.int8 import int8_inference
from unnoise.layers.quantized.quantized_convolution import QuantizedConvolution
from unnoise.layers.weight_cache import cached_weights


def _shown(network: QuantizedStudent) -> QuantizedStudent:
    """Its steps set by a batch."""
    with torch.no_grad():
        network.train()(_noise(64, 64))
    return network.eval()


def _noise(height: int, width: int) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(height)).contiguous(
        memory_format=torch.channels_last
    )


def _network(width: int = 8) -> QuantizedStudent:
    torch.manual_seed(0)
    return _shown(QuantizedStudent(width=width))


def test_sizes_and_steps() -> None:
    network = QuantizedStudent()
    scales = sum(value.numel() for key, value in network.state_dict().items() if key.endswith(".log_maximum"))
    assert scales == 48 * 6 + 96 * 8  # not of the last map
    assert network.parameter_count() == 1_021_107 + scales
    again = QuantizedStudent.from_weights(_network(4).state_dict())
    assert again is not None
    assert again.sizes == {"channels": 3, "width": 4, "finest": 8}
    assert TMBSNStudent.infer_sizes(network.state_dict()) is None
    assert QuantizedStudent.infer_sizes(TMBSNStudent().state_dict()) is None
    assert denoisers.name_of(network) == "tmbsn-student-rounded"


def test_every_layer_but_the_first_knows_what_enters_it() -> None:
    for name, layer in QuantizedStudent(width=4).named_modules():
        if isinstance(layer, QuantizedConvolution) and name != "enc1":
            assert sum(source.conv.out_channels for source in layer.sources) == layer.conv.in_channels


def test_it_is_the_student_but_where_it_learns() -> None:
    student, network = TMBSNStudent(width=4), QuantizedStudent(width=4)
    network.load_state_dict(student.state_dict())
    x = _noise(33, 40)
    assert torch.equal(network.eval()(x), student.eval()(x))
    with torch.no_grad():
        assert torch.equal(_shown(network)(x), student(x))
        student.load_state_dict(network.state_dict())  # and the other way round
        assert torch.equal(network(x), student(x))
        assert not torch.equal(network.train()(x), student(x))


@needs_int8
def test_in_bytes_it_gives_what_it_learnt_to_give() -> None:
    network, x = _network(), _noise(70, 45)
    with torch.no_grad():
        learnt = network.train()(x)
        exact = network.eval()(x)
        with int8_inference():
            counted = network(x)
    assert counted.dtype == torch.float32
    assert counted.shape == x.shape
    rounding = (learnt - exact).abs().mean()
    assert 0 < (counted - learnt).abs().mean() < rounding / 4
    assert rounding < 0.15 * exact.std()


@needs_int8
@settings(max_examples=10, deadline=None)
@given(size=st.tuples(st.integers(1, 150), st.integers(1, 70)), corner=st.tuples(st.floats(0, 0.99), st.floats(0, 0.99)))
def test_a_part_is_cut_from_the_whole(size: tuple[int, int], corner: tuple[float, float]) -> None:
    network, x = _network(4), _noise(*size)
    log_maximum, left = (int(share * length) // 2 * 2 for share, length in zip(corner, size, strict=True))
    wanted = slice(log_maximum, size[0]), slice(left, size[1])
    with pytest.MonkeyPatch.context() as patch, torch.no_grad(), int8_inference():
        patch.setattr(parts, "SMALL_BATCH_PIXELS", 0)
        patch.setattr(parts, "MIN_STRIP_ROWS", 16)
        whole = network(x)
        part = network.forward_region(x, wanted)
    away = (part - whole[..., *wanted]).abs()
    assert (
        away.mean() <= 1e-3 * whole.std() or away.max() <= 1e-6
    )  # the float32 of the first layer may round a half to either side


@needs_int8
def test_bytes_take_less_memory() -> None:
    network, x = _network(24), _noise(512, 768)

    def run() -> None:
        with torch.no_grad(), cached_weights(network):
            network(x)

    exact = peak_bytes(run)
    with int8_inference():
        assert peak_bytes(run) < 0.7 * exact


def test_it_learns() -> None:
    """Noise around a constant goes, in bytes as in training."""
    torch.manual_seed(0)
    network = QuantizedStudent(width=4).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    errors = []
    for _ in range(60):
        clean = torch.rand(4, 3, 1, 1).expand(-1, -1, 32, 32)
        noisy = (clean + 0.1 * torch.randn(4, 3, 32, 32)).contiguous(memory_format=torch.channels_last)
        loss = (network(noisy) - clean).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        errors.append(float(loss.detach()))
    assert sum(errors[-5:]) < 0.5 * sum(errors[:5])


def test_weights_of_old_spelling_are_read() -> None:
    torch.manual_seed(0)
    network = QuantizedStudent(width=4)
    network.calibrate([torch.rand(1, 3, 32, 32)])
    old = {key.replace("log_maximum", "top"): value for key, value in network.state_dict().items()}
    assert any(key.endswith(".top") for key in old)
    read = QuantizedStudent.from_weights(old)
    assert read is not None
    for key, value in network.state_dict().items():
        assert torch.equal(read.state_dict()[key], value)
    assert TMBSNStudent.from_weights(old) is None
