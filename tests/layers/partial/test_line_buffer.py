"""Strip after strip is what the whole is, in the map's own memory too, and takes a part of the memory."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from reference import relative_error
from unnoise import denoisers
from unnoise.inference.tensor_memory import peak_bytes
from unnoise.layers.fused_convolution import run_sequential
from unnoise.layers.partial import line_buffer as streaming
from unnoise.layers.partial.line_buffer import (
    add_buffered,
    buffered_layers,
    run_buffered,
    run_line_buffer,
    uses_line_buffer,
    will_use_line_buffer,
)
from unnoise.layers.partial.row_chunks import force_chunking
from unnoise.layers.partial.shrinking_halo import ShrinkingHalo

LAYERS = st.lists(st.tuples(st.sampled_from([1, 3, 5]), st.integers(1, 3), st.booleans()), min_size=1, max_size=4)


def _layers(chosen: list[tuple[int, int, bool]], entering: int, leaving: int) -> list[nn.Module]:
    torch.manual_seed(0)
    result: list[nn.Module] = []
    for number, (kernel, dilation, rectified) in enumerate(chosen):
        widths = entering if number == 0 else 4, leaving if number == len(chosen) - 1 else 4
        result.append(nn.Conv2d(*widths, kernel, padding=kernel // 2 * dilation, dilation=dilation))
        result += [nn.ReLU()] if rectified else []
    return result


def _map(channels: int, height: int, width: int) -> Tensor:
    return torch.randn(1, channels, height, width).contiguous(memory_format=torch.channels_last)


@settings(deadline=None)
@given(LAYERS, st.integers(1, 40), st.integers(1, 9), st.integers(1, 50))
def test_streamed_is_in_sequence(chosen: list[tuple[int, int, bool]], height: int, width: int, rows: int) -> None:
    layers, x = _layers(chosen, 3, 5), _map(3, height, width)
    with torch.inference_mode(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(streaming, "STRIP_BYTES", rows * 4 * 3 * width)
        before = x.clone()
        result = run_buffered(layers, x)
        assert relative_error(result, run_sequential(layers, x)) < 1e-5
        assert result.is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(x, before)


@settings(deadline=None)
@given(LAYERS, st.integers(1, 40), st.integers(1, 9), st.integers(1, 50), st.booleans())
def test_in_its_own_memory(chosen: list[tuple[int, int, bool]], height: int, width: int, rows: int, added: bool) -> None:
    layers, last, x = _layers(chosen, 5, 5), nn.Conv2d(5, 5, 1), _map(5, height, width)
    with torch.inference_mode(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(streaming, "STRIP_BYTES", rows * 4 * 5 * width)
        right = run_sequential(layers, x)
        expected = x + last(right) if added else right
        result = add_buffered(x, layers, last, x) if added else run_buffered(layers, x, x)
        assert result.data_ptr() == x.data_ptr()
        assert relative_error(result, expected) < 1e-5


def test_maps_enter_side_by_side() -> None:
    layers, one, other = _layers([(3, 1, True), (1, 1, False)], 7, 4), _map(3, 30, 8), _map(4, 30, 8)
    rows: list[Tensor] = []
    with torch.inference_mode(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(streaming, "STRIP_BYTES", 1)
        run_line_buffer([one, other], buffered_layers(layers), lambda y, place: rows.append(y))
        expected = run_sequential(layers, torch.cat([one, other], dim=1))
    assert len(rows) > 20
    assert relative_error(torch.cat(rows, dim=-2), expected) < 1e-5


def test_what_is_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "LARGE_MAP_BYTES", 4 * 8 * 100 - 1)
    x = _map(8, 10, 10)
    assert not uses_line_buffer(x)  # a gradient is wanted
    with torch.no_grad():
        assert uses_line_buffer(x)
        assert not uses_line_buffer(x.contiguous())  # no rows of memory
        assert not uses_line_buffer(torch.cat([x, x]))
        assert not uses_line_buffer(x[..., :9, :])
        assert will_use_line_buffer(x[:, :3], 8)
        assert not will_use_line_buffer(x[:, :3], 7)
        with force_chunking():
            assert uses_line_buffer(x[..., :1, :])


@given(st.integers(0, 20), st.integers(1, 9), st.integers(0, 25), st.integers(1, 9), st.integers(0, 9))
def test_narrowing_in_its_own_memory(top: int, height: int, left: int, width: int, by: int) -> None:
    rows, columns = [slice(top, top + height), slice(35, 40)], [slice(left, left + width), slice(40, 41)]
    x = _map(3, 44, 44)
    expected = ShrinkingHalo((44, 44), rows, columns).to(x, by)  # a gradient may be wanted
    with torch.inference_mode(), force_chunking():
        result = ShrinkingHalo((44, 44), rows, columns).to(x.clone(memory_format=torch.preserve_format), by)
        again = x.clone(memory_format=torch.preserve_format)
        assert ShrinkingHalo((44, 44), rows, columns).to(again, by).data_ptr() == again.data_ptr()
    assert torch.equal(result, expected)


NETWORKS: dict[str, dict[str, Any]] = {
    "dbsn": {"modules": 3},
    "dbsn-dense": {"modules": 2},
    "ssbsn": {"modules": 3, "attention_modules": 2},
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_network_streamed_is_the_network(name: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    network = denoisers.create(name, features=64, **NETWORKS[name]).eval()
    x = _map(3, 70, 41) * 255
    rows, columns = [slice(5, 20), slice(50, 61)], [slice(3, 30)]
    with torch.inference_mode(), torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        expected, parts = network(x), network.parts(x, rows, columns)
        before = x.clone()
        with force_chunking():
            assert relative_error(network(x), expected) < 1e-5
            assert relative_error(network.parts(x, rows, columns), parts) < 1e-5
        assert torch.equal(x, before)


@pytest.mark.parametrize(("name", "maps"), [("dbsn", 2.5), ("ssbsn", 3.5)])
def test_a_network_streamed_takes_few_maps(name: str, maps: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where layer by layer it takes four."""
    network = denoisers.create(name, features=64, **NETWORKS[name]).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    x = _map(3, 256, 64)
    one = 4 * 64 * 256 * 64
    with torch.inference_mode():
        assert peak_bytes(lambda: network(x)) > 3.9 * one
        monkeypatch.setattr(streaming, "LARGE_MAP_BYTES", 0)
        monkeypatch.setattr(streaming, "STRIP_BYTES", one // 32)
        monkeypatch.setattr("unnoise.denoisers.ssattention.MAX_BATCHED_PIXELS", 0)
        assert peak_bytes(lambda: network(x)) < maps * one
