"""SS-Attention against the formula of the paper, and its linear form against the exact one."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from reference import relative_error
from unnoise.denoisers import ssattention
from unnoise.denoisers.ssattention import Attention, SSBlock, exact_attention, linear_attention, normalize_map
from unnoise.inference.tensor_memory import peak_bytes


def _published(q: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Eq. 9: softmax((1 + cos(Q, Kᵀ)) / √C) V for unit q and v, (N, C)."""
    return torch.softmax((1 + q @ q.T) / q.shape[1] ** 0.5, dim=1) @ v


def _random(features: int, tokens: int, alike: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Queries of unit length and values like those after a ReLU, (1, C, N); `alike` is the share that all tokens have in common."""
    queries = F.normalize(torch.randn(1, features, tokens) + alike * features**0.5 * torch.randn(1, features, 1), dim=1)
    return queries, torch.randn(1, features, tokens).relu()


@settings(max_examples=20, deadline=None)
@given(features=st.sampled_from([1, 8, 32, 128]), tokens=st.integers(1, 200), alike=st.sampled_from([0.0, 1.0]))
def test_exact_attention_is_the_published_formula(features: int, tokens: int, alike: float) -> None:
    queries, values = _random(features, tokens, alike)
    expected = _published(queries[0].T, values[0].T).T[None]
    assert (exact_attention(queries, values) - expected).abs().max() < 1e-5


@pytest.mark.parametrize(("features", "bound"), [(8, 3e-2), (32, 6e-3), (64, 2e-3), (128, 1e-3)])
def test_linear_attention_is_close_and_closer_with_more_features(features: int, bound: float) -> None:
    """Also where the tokens fall into groups that resemble each other strongly, which is where the exponential bends."""
    kinds = torch.randint(3, (600,))
    queries = F.normalize(torch.randn(1, features, 3)[..., kinds] + 0.3 * torch.randn(1, features, 600), dim=1)
    values = (5 * torch.randn(1, features, 3)[..., kinds] + torch.randn(1, features, 600)).relu()
    assert relative_error(linear_attention(queries, values), exact_attention(queries, values)) < bound


@pytest.mark.parametrize("alike", [0.0, 1.0, 5.0])
def test_linear_attention_at_the_published_width(alike: float) -> None:
    queries, values = _random(128, 1500, alike)
    assert relative_error(linear_attention(queries, values), exact_attention(queries, values)) < 1e-4


def test_linear_attention_is_more_than_the_mean() -> None:
    """A mean of all values would pass a loose bound as well."""
    queries, values = _random(32, 400)
    exact = exact_attention(queries, values)
    mean = values.mean(2, keepdim=True).expand_as(values)
    assert (linear_attention(queries, values) - exact).norm() < 0.1 * (mean - exact).norm()


@given(channels=st.integers(1, 5), height=st.integers(1, 7), width=st.integers(1, 7))
def test_normalise_is_layer_norm_of_the_whole_map(channels: int, height: int, width: int) -> None:
    z = 3 + torch.randn(2, channels, height, width, dtype=torch.float64)
    torch.testing.assert_close(normalize_map(z), F.layer_norm(z, z.shape[1:]))


@pytest.mark.parametrize("attention", ["exact", "linear"])
@pytest.mark.parametrize("size", [(12, 12), (13, 9), (3, 2)])
def test_attention_joins_a_grid_and_its_padding(attention: str, size: tuple[int, int]) -> None:
    """Component by component with the published formula, tokens of zeros included where the grid does not divide the sides."""
    block = SSBlock(64, dilation=2, gamma=2, attention=attention).double()
    z = torch.rand(1, 64, *size, dtype=torch.float64)
    y = torch.einsum("bchw,ck->bkhw", F.layer_norm(z, z.shape[1:]), block.wqk)
    q = y / (y.norm(dim=1, keepdim=True) + 1e-8)
    q, v = (F.pad(t, (0, -size[1] % 4, 0, -size[0] % 4)) for t in (q, z))
    expected = torch.zeros_like(v)
    for row in range(4):
        for column in range(4):
            part = (0, slice(None), slice(row, None, 4), slice(column, None, 4))
            tokens = v[part].shape
            expected[part] = _published(q[part].flatten(1).T, v[part].flatten(1).T).T.reshape(tokens)
    result = block.attend(z)
    assert result.shape == z.shape
    assert relative_error(result, expected[..., : size[0], : size[1]]) < (1e-9 if attention == "exact" else 1e-3)


@settings(max_examples=20, deadline=None)
@given(
    size=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    batch=st.integers(1, 2),
    dilation=st.integers(1, 3),
    attention=st.sampled_from(["exact", "linear"]),
)
def test_component_by_component_is_all_at_once(size: tuple[int, int], batch: int, dilation: int, attention: Attention) -> None:
    """With the tokens of zeros that fill up the sides, and images that are smaller than the grid."""
    block = SSBlock(16, dilation=dilation, gamma=2, attention=attention)
    z = torch.rand(batch, 16, *size).contiguous(memory_format=torch.channels_last)
    with pytest.MonkeyPatch.context() as patch, torch.inference_mode():
        together = block.attend(z)
        patch.setattr(ssattention, "MAX_BATCHED_PIXELS", 0)
        in_turn = block.attend(z)
    assert in_turn.shape == z.shape
    assert relative_error(in_turn, together) < 1e-5


def test_components_in_turn_take_less_memory() -> None:
    block = SSBlock(32, dilation=2, gamma=2, attention="linear")
    z = torch.rand(1, 32, 128, 128).contiguous(memory_format=torch.channels_last)

    def run() -> None:
        with torch.no_grad():
            block.attend(z)

    together = peak_bytes(run)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssattention, "MAX_BATCHED_PIXELS", 0)
        assert peak_bytes(run) < together / 2


def test_auto_is_linear_for_many_tokens_of_many_features(monkeypatch: pytest.MonkeyPatch) -> None:
    used = []
    for name in ("exact", "linear"):
        monkeypatch.setattr(ssattention, f"{name}_attention", lambda queries, values, name=name: used.append(name) or values)
    for features, side in [(64, 128), (64, 124), (32, 128)]:  # 1024 and 961 tokens at a grid of 4
        SSBlock(features, dilation=2, gamma=2, attention="auto").attend(torch.rand(1, features, side, side))
    assert used == ["linear", "exact", "exact"]


def test_maps_of_one_value_are_no_trouble() -> None:
    block = SSBlock(8, dilation=2, gamma=2, attention="exact")
    z = torch.ones(1, 8, 5, 5, requires_grad=True)
    block(z).sum().backward()
    assert z.grad is not None
    assert z.grad.isfinite().all()
    assert block.wqk.grad is not None
    assert block.wqk.grad.isfinite().all()
