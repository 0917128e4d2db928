"""TBSN against its equations written out plainly, its blindness, and its published sizes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from reference import wide_open
from unnoise import denoisers
from unnoise.denoisers.masked_attention import MaskedWindowAttention
from unnoise.denoisers.tbsn import TBSN

SMALL = {"dim": 8, "blocks": [1, 1, 1], "refinement_blocks": 1, "heads": [1, 2, 2], "window_heads": [1, 2, 1], "head_width": 4}


def _norm(weight: Tensor, x: Tensor) -> Tensor:
    """x / √(variance + 1e-5) · weight, over the channels."""
    return x / (x.var(1, keepdim=True, unbiased=False) + 1e-5).sqrt() * weight[:, None, None]


def _unshuffle(x: Tensor) -> Tensor:
    """Each 4×4 square of four 2×2 patches becomes one patch of four channels, one patch after the other."""
    batch, channels, height, width = x.shape
    result = x.new_zeros(batch, channels, 4, height // 2, width // 2)
    for row in range(height):
        for column in range(width):
            patch = row % 4 // 2 * 2 + column % 4 // 2
            result[:, :, patch, row // 4 * 2 + row % 2, column // 4 * 2 + column % 2] = x[..., row, column]
    return result.flatten(1, 2)


def _shuffle(x: Tensor) -> Tensor:
    batch, channels, height, width = x.shape
    x = x.reshape(batch, channels // 4, 4, height, width)
    result = x.new_zeros(batch, channels // 4, 2 * height, 2 * width)
    for row in range(2 * height):
        for column in range(2 * width):
            patch = row % 4 // 2 * 2 + column % 4 // 2
            result[..., row, column] = x[:, :, patch, row // 4 * 2 + row % 2, column // 4 * 2 + column % 2]
    return result


def _channel_attention(w: dict[str, Tensor], at: str, x: Tensor) -> Tensor:
    channels = x.shape[1]
    qkv = F.conv2d(F.conv2d(x, w[f"{at}.qkv.weight"]), w[f"{at}.qkv_dwconv.weight"], padding=2, dilation=2, groups=3 * channels)
    temperature, results = w[f"{at}.temperature"], []
    for image in qkv:
        parts = []
        for head, (q, k, v) in enumerate(
            zip(*(part.flatten(1).chunk(len(temperature)) for part in image.chunk(3)), strict=True)
        ):
            scores = temperature[head] * F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).T
            parts.append(scores.softmax(-1) @ v)
        results.append(torch.cat(parts).reshape(x.shape[1:]))
    return F.conv2d(torch.stack(results), w[f"{at}.project_out.weight"])


def _window_attention(w: dict[str, Tensor], at: str, x: Tensor, head_width: int, window: int = 8) -> Tensor:
    """All keys of each window, where those an odd number of rows or columns away are masked with minus infinity."""
    q, k, v = F.conv2d(x, w[f"{at}.qkv.weight"]).chunk(3, dim=1)
    around, reach = window // 4, window * 3 // 2
    k, v = (F.pad(part, (around,) * 4) for part in (k, v))
    rows, columns = w[f"{at}.rel_pos_emb.rel_height"], w[f"{at}.rel_pos_emb.rel_width"]
    place = torch.cartesian_prod(torch.arange(window), torch.arange(window))
    seen = torch.cartesian_prod(torch.arange(reach), torch.arange(reach))
    away = seen - place[:, None] + reach - 1  # (window², reach², 2)
    position = rows[away[..., 0]] + columns[away[..., 1]]  # (window², reach², head_width)
    odd = ((seen - around - place[:, None]) % 2).any(-1)
    out = torch.zeros_like(q)
    for head in range(q.shape[1] // head_width):
        part = slice(head * head_width, (head + 1) * head_width)
        for top in range(0, x.shape[-2], window):
            for left in range(0, x.shape[-1], window):
                query = q[:, part, top : top + window, left : left + window].flatten(2) * head_width**-0.5
                key, value = (t[:, part, top : top + reach, left : left + reach].flatten(2) for t in (k, v))
                scores = torch.einsum("bcp,bck->bpk", query, key) + torch.einsum("bcp,pkc->bpk", query, position)
                share = scores.masked_fill(odd, -torch.inf).softmax(-1)
                attended = torch.einsum("bpk,bck->bcp", share, value)
                out[:, part, top : top + window, left : left + window] = attended.unflatten(2, (window, window))
    return F.conv2d(out, w[f"{at}.project_out.weight"])


def _feed_forward(w: dict[str, Tensor], at: str, x: Tensor) -> Tensor:
    x = F.gelu(F.conv2d(x, w[f"{at}.project_in.weight"], padding=2, dilation=2))
    return F.conv2d(x, w[f"{at}.project_out.weight"], padding=2, dilation=2)


def _block(w: dict[str, Tensor], at: str, x: Tensor, head_width: int) -> Tensor:
    normal = lambda number, x: _norm(w[f"{at}.norm{number}.body.weight"], x)  # noqa: E731
    x = x + _channel_attention(w, f"{at}.channel_attn", normal(1, x))
    x = x + _feed_forward(w, f"{at}.channel_ffn", normal(2, x))
    x = x + _window_attention(w, f"{at}.spatial_attn", normal(3, x), head_width)
    return x + _feed_forward(w, f"{at}.spatial_ffn", normal(4, x))


def _as_in_the_paper(network: TBSN, x: Tensor) -> Tensor:
    w, width = network.state_dict(), network.sizes["head_width"]
    first = w["patch_embed.proj.weight"].clone()
    first[..., 1, 1] = 0
    one = _block(w, "encoder_level1.0", F.conv2d(x, first, padding=1), width)
    two = _block(w, "encoder_level2.0", _unshuffle(F.conv2d(one, w["down1_2.body.0.weight"])), width)
    three = _block(w, "latent.0", _unshuffle(F.conv2d(two, w["down2_3.body.0.weight"])), width)
    up = torch.cat([_shuffle(F.conv2d(three, w["up3_2.body.0.weight"])), two], 1)
    up = _block(w, "decoder_level2.0", F.conv2d(up, w["reduce_chan_level2.weight"]), width)
    up = torch.cat([_shuffle(F.conv2d(up, w["up2_1.body.0.weight"])), one], 1)
    up = _block(w, "refinement.0", _block(w, "decoder_level1.0", up, width), width)
    return F.conv2d(up, w["output.weight"])


def _random(**sizes: object) -> TBSN:
    network = TBSN(**{**SMALL, **sizes}).double()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return network


def test_the_network_is_the_papers() -> None:
    network, x = _random(), torch.rand(1, 3, 32, 32, dtype=torch.float64) * 255
    with torch.no_grad():
        torch.testing.assert_close(network(x), _as_in_the_paper(network, x), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("channels_last", [False, True])
def test_fused_is_the_same(channels_last: bool) -> None:
    network, x = _random().float(), torch.rand(2, 3, 20, 33) * 255
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        expected = network.double()(x.double())
    network.float()
    with torch.inference_mode():
        fused = network(x)
    assert ((fused - expected).abs().max() / expected.abs().max()).item() < 1e-4


def test_gradients_reach_all_parameters_alike_in_both_formats() -> None:
    network, x = _random(), torch.rand(1, 3, 32, 32, dtype=torch.float64) * 255
    gradients = []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        result = network(x.contiguous(memory_format=memory_format))
        gradients.append(torch.autograd.grad(result.sin().sum(), list(network.parameters())))
    torch.testing.assert_close(*gradients)
    assert all(gradient.any() for gradient in gradients[0])


def _gradient(network: TBSN, height: int, width: int, row: int, column: int) -> Tensor:
    x = (torch.rand(1, 3, height, width, dtype=torch.float64) * 255).requires_grad_()
    network(x)[..., row, column].sum().backward()
    assert x.grad is not None
    return x.grad.abs().sum((0, 1))


@settings(max_examples=6, deadline=None)
@given(height=st.integers(1, 40), width=st.integers(1, 40), place=st.tuples(st.floats(0, 0.999), st.floats(0, 0.999)))
def test_blind_in_space_at_any_size_and_place(height: int, width: int, place: tuple[float, float]) -> None:
    """A temperature of zero makes the attention between channels uniform: nothing then passes through image-wide cosines."""
    network = wide_open(TBSN(**SMALL))
    for name, parameter in network.named_parameters():
        if name.endswith("temperature"):
            torch.nn.init.zeros_(parameter)
    row, column = int(place[0] * height), int(place[1] * width)
    assert _gradient(network, height, width, row, column)[row, column] == 0


def test_what_leaks_through_the_cosines_is_small() -> None:
    torch.manual_seed(0)
    gradient = _gradient(TBSN(**SMALL).double(), 64, 64, 31, 30)
    assert gradient[30, 30] > 0
    assert 0 < gradient[31, 30] < 1e-4 * gradient.sum()


def test_published_size_and_layout() -> None:
    with torch.device("meta"):
        network = TBSN()
        state = network.state_dict()
        assert network.parameter_count() == 12_746_780
    assert TBSN.infer_sizes(state) == network.sizes
    published = state | {"encoder_level1.0.spatial_attn.fixed_pos_emb.attention_mask": torch.zeros(1, 64, 144)}
    assert TBSN.infer_sizes(published) == network.sizes
    small = TBSN(**SMALL)
    held = small.state_dict() | {
        "patch_embed.proj.mask": torch.ones(8, 3, 3, 3),
        "latent.0.spatial_attn.fixed_pos_emb.attention_mask": torch.zeros(1, 64, 144),
    }
    again = TBSN.from_weights(held)
    assert again is not None
    assert again.sizes == small.sizes


def test_windows_share_no_pixel_of_another_component() -> None:
    attention = MaskedWindowAttention(4, 8, heads=1, width=4, bias=False).double()
    x = torch.rand(1, 4, 16, 16, dtype=torch.float64, requires_grad=True)
    attention(x, torch.nn.Identity())[..., 5, 6].sum().backward()  # type: ignore[arg-type]
    assert x.grad is not None
    seen = x.grad.abs().sum((0, 1)) > 0
    assert seen[1::2, 0::2].any()
    assert not seen[0::2].any()
    assert not seen[:, 1::2].any()


@pytest.mark.parametrize("sizes", [{"window": 12}, {"heads": [3, 1, 1], "dim": 8}, {"blocks": [1, 1]}])
def test_impossible_sizes_are_refused(sizes: dict[str, object]) -> None:
    with pytest.raises(denoisers.UsageError):
        denoisers.create("tbsn", **sizes)
