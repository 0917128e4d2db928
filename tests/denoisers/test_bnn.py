"""The guides of the spatially adaptive method, and its U-Net, against their published layers written out one by one."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise import denoisers
from unnoise.denoisers.bnn import BNN, LAN
from unnoise.denoisers.unet_nearest import NearestUNet, TBSNStudent

Layer = tuple[Tensor, Tensor]


def _published(width: int, *, blind: bool) -> dict[str, Tensor]:
    """Random weights in the published layout."""
    widths = {"encode_block_1.0": (3, width), "encode_block_1.2": (width, width)}
    widths |= {f"encode_block_{level}.0": (width, width) for level in range(2, 7)}
    widths |= {"decode_block_5.0": (2 * width, 2 * width), "decode_block_1.0": (2 * width + 3, 2 * width)}
    widths |= {f"decode_block_{level}.0": (3 * width, 2 * width) for level in (4, 3, 2)}
    widths |= {f"decode_block_{level}.2": (2 * width, 2 * width) for level in range(1, 6)}
    held = {name: torch.randn(out, into, 3, 3) / (3 * into**0.5) for name, (into, out) in widths.items()}
    ends = {"output_conv": (2 * width, 3)}
    if blind:
        ends |= {"output_block.0": (8 * width, 8 * width), "output_block.2": (8 * width, 2 * width)}
    held |= {name: torch.randn(out, into, 1, 1) / into**0.5 for name, (into, out) in ends.items()}
    weights = {f"{name}.weight": value for name, value in held.items()}
    weights |= {f"{name}.bias": torch.randn(len(value)) for name, value in held.items()}
    if blind:
        weights |= {f"output_block.4.{kind}": weights[f"output_conv.{kind}"] for kind in ("weight", "bias")}
    return {key: value.double() for key, value in weights.items()}


def _trunk(w: dict[str, Tensor], x: Tensor, *, upward: bool) -> Tensor:
    """The U-Net. Upward: each convolution and pooling is moved down, so that it sees no row below its own."""

    def convolve(name: str, x: Tensor) -> Tensor:
        x = F.pad(x, (1, 1, 2, 0)) if upward else F.pad(x, (1, 1, 1, 1))
        return F.leaky_relu(F.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"]), 0.1)

    def pool(x: Tensor) -> Tensor:
        return F.max_pool2d(F.pad(x, (0, 0, 1, 0))[..., :-1, :] if upward else x, 2)

    pooled, y = [x], convolve("encode_block_1.2", convolve("encode_block_1.0", x))
    for level in range(2, 7):
        y = pool(y)
        pooled.append(y)
        y = convolve(f"encode_block_{level}.0", y)
    pooled.pop()
    for level in range(5, 0, -1):
        y = torch.cat([y.repeat_interleave(2, -1).repeat_interleave(2, -2), pooled.pop()], 1)
        y = convolve(f"decode_block_{level}.2", convolve(f"decode_block_{level}.0", y))
    return y


def _blind_neighbourhood(w: dict[str, Tensor], x: Tensor, blind_spot: int) -> Tensor:
    """Four quarter turns one after the other, counter-clockwise, each moved down by (k + 1) / 2 rows."""
    moved, seen = (blind_spot + 1) // 2, []
    for turn in range(4):
        y = _trunk(w, torch.rot90(x, turn, (2, 3)), upward=True)
        y = F.pad(y, (0, 0, moved, 0))[..., : y.shape[-2], :]
        seen.append(torch.rot90(y, -turn, (2, 3)))
    y = torch.cat(seen, 1)
    for layer in (0, 2):
        y = F.leaky_relu(F.conv2d(y, w[f"output_block.{layer}.weight"], w[f"output_block.{layer}.bias"]), 0.1)
    return F.conv2d(y, w["output_conv.weight"], w["output_conv.bias"])


@pytest.mark.parametrize("blind_spot", [9, 3])
def test_published_blind_neighbourhood_network(blind_spot: int) -> None:
    weights, x = _published(4, blind=True), torch.rand(1, 3, 32, 64, dtype=torch.float64) * 255
    network = BNN.from_weights(weights)
    assert network is not None
    assert network.blind_spot == 9
    with torch.no_grad():
        expected = _blind_neighbourhood(weights, x, blind_spot)
        torch.testing.assert_close(network.double()(x, blind_spot=blind_spot), expected)
    assert NearestUNet.from_weights({key: value for key, value in weights.items() if "output_conv" not in key}) is None


def test_published_u_net() -> None:
    weights, x = _published(4, blind=False), torch.rand(1, 3, 64, 32, dtype=torch.float64) * 255
    network = NearestUNet.from_weights(weights)
    assert network is not None
    with torch.no_grad():
        expected = F.conv2d(_trunk(weights, x, upward=False), weights["output_conv.weight"], weights["output_conv.bias"])
        torch.testing.assert_close(network.double()(x), expected)
    assert BNN.from_weights(weights) is None
    network.float()
    with torch.inference_mode():
        fused = network(x.float())
        assert ((fused - expected).abs().max() / expected.abs().max()).item() < 1e-5
        part = network.forward_region(x.float(), (slice(5, 40), slice(2, 9)))
    torch.testing.assert_close(part, fused[..., 5:40, 2:9])


def test_published_u_net_is_recognised_as_a_file() -> None:
    from unnoise.models.published import _recognise

    kinds = {
        blind: _recognise({key: value.float() for key, value in _published(4, blind=blind).items()}) for blind in (True, False)
    }
    assert [type(kinds[blind]) for blind in (True, False)] == [BNN, NearestUNet]


def _locally_aware(w: dict[str, Tensor], x: Tensor) -> Tensor:
    def convolve(name: str, x: Tensor, padding: int = 0) -> Tensor:
        return F.conv2d(x, w[f"conv.{name}.weight"], w[f"conv.{name}.bias"], padding=padding)

    x = F.relu(convolve("2", F.relu(convolve("0", x)), padding=1))
    y = x
    for block in range(2):
        at = f"4.body.{block}"
        z = convolve(f"{at}.conv2", F.relu(convolve(f"{at}.conv1", y)))
        scale = F.relu(convolve(f"{at}.cuca.conv_du.0", z.mean((2, 3), keepdim=True)))
        y = y + z * torch.sigmoid(convolve(f"{at}.cuca.conv_du.2", scale))
    return convolve("5", x + convolve("4.tail", y))


def test_locally_aware_network() -> None:
    network, x = LAN(features=16, blocks=2).double(), torch.rand(2, 3, 9, 7, dtype=torch.float64) * 255
    with torch.no_grad():
        expected = _locally_aware(network.state_dict(), x)
        torch.testing.assert_close(network(x), expected)
    network.float()
    with torch.inference_mode():
        fused = network(x.float())
    assert ((fused - expected).abs().max() / expected.abs().max()).item() < 1e-5
    assert LAN.infer_sizes(network.state_dict()) == network.sizes
    assert LAN.from_weights(network.state_dict()) is not None


def test_locally_aware_network_sees_three_by_three() -> None:
    network, x = LAN(features=16, blocks=1).double(), torch.rand(1, 3, 9, 9, dtype=torch.float64, requires_grad=True)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data.abs_()
    scale = network.get_submodule("conv.4.body.0.cuca.conv_du.0")
    assert isinstance(scale, nn.Conv2d)
    nn.init.zeros_(scale.weight)  # else the image-wide means let every pixel through
    network(x)[..., 4, 4].sum().backward()
    assert x.grad is not None
    rows, columns = torch.nonzero(x.grad.abs().sum((0, 1)), as_tuple=True)
    assert (rows.min(), rows.max(), columns.min(), columns.max(), len(rows)) == (3, 5, 3, 5, 9)


def test_published_sizes() -> None:
    with torch.device("meta"):
        assert BNN().parameter_count() == 1_268_547
        assert LAN().parameter_count() == 94_939
        assert NearestUNet().parameter_count() == TBSNStudent().parameter_count() == 1_083_747


@pytest.mark.parametrize("sizes", [{"field": 4}, {"features": 8}])
def test_impossible_sizes_are_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(denoisers.UsageError):
        denoisers.create("lan", **sizes)
