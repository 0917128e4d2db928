"""NAFNet's block against its formula, its published sizes, and its start. The whole network: test_amsnet_denoisers."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from unnoise import denoisers
from unnoise.denoisers.nafnet import NAFBlock, NAFNet


def _block_as_in_the_paper(block: NAFBlock, x: torch.Tensor) -> torch.Tensor:
    """Fig. 3d, SimpleGate (Eq. 4) and simplified channel attention (Eq. 6) written out."""

    def norm(layer: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
        return F.layer_norm(x.movedim(1, -1), (x.shape[1],), layer.weight, layer.bias, 1e-6).movedim(-1, 1)

    def gate(x: torch.Tensor) -> torch.Tensor:
        half = x.shape[1] // 2
        return x[:, :half] * x[:, half:]

    y = gate(block.conv2(block.conv1(norm(block.norm1, x))))
    y = y * block.sca[1](y.mean((2, 3), keepdim=True))
    x = x + block.conv3(y) * block.beta
    return x + block.conv5(gate(block.conv4(norm(block.norm2, x)))) * block.gamma


def test_block() -> None:
    block = NAFBlock(6, depthwise=12, hidden=12).double()
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(2, 6, 5, 4, dtype=torch.float64)
    torch.testing.assert_close(block(x), _block_as_in_the_paper(block, x))


@pytest.mark.parametrize("name", ["nafnet", "nafnet-baseline"])
def test_fresh_blocks_are_the_identity(name: str) -> None:
    network = denoisers.create(name, width=4, encoder_blocks=[2], middle_blocks=1, decoder_blocks=[1])
    x = torch.rand(1, 4, 6, 6)
    assert torch.equal(network.get_submodule("encoders.0")(x), x)


@pytest.mark.parametrize(
    ("width", "encoder", "middle", "decoder", "millions"),
    [
        (64, (2, 2, 4, 8), 12, (2, 2, 2, 2), 115.98),
        (64, (1, 1, 1, 28), 1, (1, 1, 1, 1), 67.89),
        (32, (1, 1, 1, 28), 1, (1, 1, 1, 1), 17.11),
    ],
)
def test_parameters_of_the_published_models(
    width: int, encoder: tuple[int], middle: int, decoder: tuple[int], millions: float
) -> None:
    """For denoising SIDD and for deblurring GoPro."""
    with torch.device("meta"):
        network = NAFNet(3, width, encoder, middle, decoder)
    assert round(network.parameter_count() / 1e6, 2) == millions


def test_unequal_sides_are_refused() -> None:
    with pytest.raises(denoisers.UsageError, match="equally long"):
        denoisers.create("nafnet", encoder_blocks=[1, 1], decoder_blocks=[1])
