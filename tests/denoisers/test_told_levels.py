"""FFDNet, DRUNet and SCUNet against their published layers written out one by one, and the level that they are told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise import denoisers, load
from unnoise.denoisers.base import Denoiser
from unnoise.denoisers.drunet import DRUNet
from unnoise.denoisers.ffdnet import FFDNet
from unnoise.denoisers.noise_level import takes_noise_level
from unnoise.denoisers.scunet import SCUNet

Weights = dict[str, Tensor]
Level = Tensor | None


def _repeated(x: Tensor, multiple: int) -> Tensor:
    rows, columns = (torch.arange(-(-side // multiple) * multiple).clamp(max=side - 1) for side in x.shape[-2:])
    return x[..., rows[:, None], columns]


def _level(x: Tensor, level: Level) -> Tensor:
    level = torch.full((len(x),), 25 / 255, dtype=x.dtype) if level is None else level
    return torch.stack([torch.full(x.shape[-2:], float(one), dtype=x.dtype) for one in level])[:, None]


def _ffdnet(w: Weights, x: Tensor, level: Level) -> Tensor:
    whole = _repeated(x, 2)
    cells = torch.stack([whole[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)], 2).flatten(1, 2)
    y = torch.cat([cells, _level(cells, level)], 1)
    for layer in range(0, 6, 2):
        y = F.conv2d(y, w[f"model.{layer}.weight"], w[f"model.{layer}.bias"], padding=1)
        y = y.clamp(min=0) if layer < 4 else y
    result = torch.empty_like(whole)
    for place, (i, j) in enumerate((i, j) for i in (0, 1) for j in (0, 1)):
        result[:, :, i::2, j::2] = y[:, place::4]
    return result[..., : x.shape[-2], : x.shape[-1]]


def _u_shape(w: Weights, x: Tensor, head: Tensor, block: Callable[[str, Tensor], Tensor], at: tuple[str, str]) -> Tensor:
    """Three scales down and up, with one block at each."""
    y = F.conv2d(head, w[at[0]], padding=1)
    skips = [y]
    for scale in (1, 2, 3):
        y = F.conv2d(block(f"m_down{scale}.0", y), w[f"m_down{scale}.1.weight"], stride=2)
        skips.append(y)
    y = block("m_body.0", y)
    for scale in (3, 2, 1):
        y = block(f"m_up{scale}.1", F.conv_transpose2d(y + skips.pop(), w[f"m_up{scale}.0.weight"], stride=2))
    return F.conv2d(y + skips.pop(), w[at[1]], padding=1)[..., : x.shape[-2], : x.shape[-1]]


def _drunet(w: Weights, x: Tensor, level: Level) -> Tensor:
    def block(name: str, y: Tensor) -> Tensor:
        z = F.relu(F.conv2d(y, w[f"{name}.res.0.weight"], padding=1))
        return y + F.conv2d(z, w[f"{name}.res.2.weight"], padding=1)

    whole = _repeated(x, 8)
    head = torch.cat([whole, _level(whole, level)], 1)
    return _u_shape(w, x, head, block, ("m_head.weight", "m_tail.weight"))


def _attention(w: Weights, at: str, x: Tensor, *, shifted: bool) -> Tensor:
    """Window by window: each pixel sees those of its window, unless the shift brought them from the other edge."""
    height, width, channels = x.shape
    table = w[f"{at}.relative_position_params"]
    qkv = (x @ w[f"{at}.embedding_layer.weight"].T + w[f"{at}.embedding_layer.bias"]).reshape(height, width, 3, len(table), -1)
    move, result = 4 if shifted else 0, torch.zeros_like(x)
    size = channels // len(table)
    for top in range(0, height, 8):
        for left in range(0, width, 8):
            pixels = [((top + a + move) % height, (left + b + move) % width, a, b) for a in range(8) for b in range(8)]
            row, column, a, b = torch.tensor(pixels).T
            near = ((row[:, None] - row).abs() < 8) & ((column[:, None] - column).abs() < 8)
            for head in range(len(table)):
                query, key, value = qkv[row, column, :, head].unbind(1)
                logits = query @ key.T / size**0.5 + table[head, a[:, None] - a + 7, b[:, None] - b + 7]
                logits[~near] = -torch.inf
                result[row, column, head * size : (head + 1) * size] = logits.softmax(1) @ value
    return result @ w[f"{at}.linear.weight"].T + w[f"{at}.linear.bias"]


def _scunet_block(w: Weights, name: str, x: Tensor, *, shifted: bool) -> Tensor:
    near, far = F.conv2d(x, w[f"{name}.conv1_1.weight"], w[f"{name}.conv1_1.bias"]).chunk(2, 1)
    z = F.relu(F.conv2d(near, w[f"{name}.conv_block.0.weight"], padding=1))
    near = near + F.conv2d(z, w[f"{name}.conv_block.2.weight"], padding=1)
    at = f"{name}.trans_block"

    def norm(layer: str, y: Tensor) -> Tensor:
        return F.layer_norm(y, y.shape[-1:], w[f"{at}.{layer}.weight"], w[f"{at}.{layer}.bias"])

    y = far.permute(0, 2, 3, 1)
    y = y + torch.stack([_attention(w, f"{at}.msa", one, shifted=shifted) for one in norm("ln1", y)])
    hidden = F.gelu(norm("ln2", y) @ w[f"{at}.mlp.0.weight"].T + w[f"{at}.mlp.0.bias"])
    y = y + hidden @ w[f"{at}.mlp.2.weight"].T + w[f"{at}.mlp.2.bias"]
    both = torch.cat([near, y.permute(0, 3, 1, 2)], 1)
    return x + F.conv2d(both, w[f"{name}.conv1_2.weight"], w[f"{name}.conv1_2.bias"])


def _scunet(w: Weights, x: Tensor, level: Level) -> Tensor:
    whole = _repeated(x, 64)
    # a block with shifted windows follows the first one at full size alone
    return _u_shape(
        w, x, whole, lambda name, y: _scunet_block(w, name, y, shifted=False), ("m_head.0.weight", "m_tail.0.weight")
    )


SMALL: list[tuple[type[Denoiser], dict[str, object], Callable[[Weights, Tensor, Level], Tensor], int]] = [
    (FFDNet, {"features": 8, "layers": 3}, _ffdnet, 852_108),
    (DRUNet, {"width": 4, "blocks": 1}, _drunet, 32_640_960),
    (SCUNet, {"width": 4, "blocks": [1] * 7, "head_width": 2}, _scunet, 17_946_072),
]
networks = pytest.mark.parametrize(("kind", "sizes", "published", "count"), SMALL, ids=[case[0].__name__ for case in SMALL])


def _random(kind: type[Denoiser], sizes: dict[str, object]) -> Denoiser:
    torch.manual_seed(3)
    network = kind(**sizes)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return network.double()


@networks
def test_the_network_is_the_papers(
    kind: type[Denoiser], sizes: dict[str, object], published: Callable[[Weights, Tensor, Level], Tensor], count: int
) -> None:
    network, x = _random(kind, sizes), torch.rand(2, 3, 11, 14, dtype=torch.float64)
    levels: list[Level] = [None, torch.tensor([0.02, 0.3], dtype=torch.float64)] if takes_noise_level(network) else [None]
    with torch.no_grad():
        for level in levels:
            expected = published(network.state_dict(), x, level)
            found = network(x) if level is None else network(x, level=level)
            torch.testing.assert_close(found, expected)
    network.float()
    expected = published(network.state_dict(), x.float(), None)
    with torch.inference_mode():
        fused = network(x.float().contiguous(memory_format=torch.channels_last))
    assert ((fused - expected).abs().max() / expected.abs().max()).item() < 1e-5


@networks
def test_published_size(
    kind: type[Denoiser], sizes: dict[str, object], published: Callable[[Weights, Tensor, Level], Tensor], count: int
) -> None:
    network = kind(**sizes)
    inferred = kind.infer_sizes(network.state_dict())
    assert inferred is not None
    assert inferred.items() <= network.sizes.items()
    with torch.device("meta"):
        assert kind().parameter_count() == count
    for height, width in ((1, 1), (3, 9)):
        assert network(torch.rand(1, 3, height, width)).shape == (1, 3, height, width)


def test_the_gray_networks_have_the_published_size() -> None:
    with torch.device("meta"):
        assert FFDNet(channels=1, features=64, layers=15).parameter_count() == 485_316
        assert DRUNet(channels=1).parameter_count() == 32_638_656


@networks
def test_published_files_are_recognised(
    kind: type[Denoiser],
    sizes: dict[str, object],
    published: Callable[[Weights, Tensor, Level], Tensor],
    count: int,
    tmp_path: Path,
) -> None:
    network = kind(**sizes)
    torch.save({f"module.{key}": value for key, value in network.state_dict().items()}, tmp_path / "published.pth")
    model = load(tmp_path / "published.pth")
    assert (type(model.network), model.recipe.name) == (kind, denoisers.name_of(network))
    x = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(model.network(x), network.eval()(x))


@pytest.mark.parametrize("kind", [FFDNet, DRUNet])
def test_reach(kind: type[Denoiser]) -> None:
    network = kind(**({"features": 4, "layers": 3} if kind is FFDNet else {"width": 2, "blocks": 1})).double()
    for parameter in network.parameters():
        parameter.data.abs_()
    reach = network.receptive_field_radius
    assert reach is not None
    side = 2 * reach + 10
    side += -side % network.size_multiple
    x = torch.rand(1, 3, side, side, dtype=torch.float64, requires_grad=True)
    seen = 0
    for place in range(side // 2, side // 2 + network.size_multiple):
        (gradient,) = torch.autograd.grad(network(x)[..., place, place].sum(), x)
        rows = torch.nonzero(gradient.abs().sum((0, 1, 3))).flatten()
        seen = max(seen, place - int(rows.min()), int(rows.max()) - place)
    assert seen == reach


def test_shifted_windows_see_no_other_edge() -> None:
    from unnoise.denoisers.window_attention import WindowAttention

    torch.manual_seed(0)
    for shifted in (False, True):
        layer = WindowAttention(4, head_width=2, shifted=shifted).double()
        torch.nn.init.normal_(layer.relative_position_params)
        weights = {f"at.{key}": value for key, value in layer.state_dict().items()}
        x = torch.rand(2, 16, 24, 4, dtype=torch.float64)
        with torch.no_grad():
            expected = torch.stack([_attention(weights, "at", one, shifted=shifted) for one in x])
            torch.testing.assert_close(layer(x), expected)


def test_every_second_block_has_shifted_windows() -> None:
    network = SCUNet(width=4, blocks=[3, 1, 1, 1, 1, 1, 1], head_width=2)
    blocks = [network.get_submodule(f"m_down1.{place}.trans_block.msa") for place in range(3)]
    assert [block.shifted for block in blocks] == [False, True, False]


@pytest.mark.parametrize(
    ("name", "sizes"),
    [("ffdnet", {"layers": 1}), ("scunet", {"blocks": [2] * 6}), ("scunet", {"width": 64, "head_width": 24})],
)
def test_impossible_sizes_are_refused(name: str, sizes: dict[str, object]) -> None:
    with pytest.raises(denoisers.UsageError):
        denoisers.create(name, **sizes)
