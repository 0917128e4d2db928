"""DnCNN predicts the noise. The whole network: test_amsnet_denoisers."""

from __future__ import annotations

import pytest
import torch

from reference import golden, relative_error
from unnoise import denoisers
from unnoise.denoisers.dncnn import DnCNN


def test_nothing_predicted_leaves_the_image_as_it_is() -> None:
    network = DnCNN(features=4, layers=4)
    for parameter in network.model[-1].parameters():
        torch.nn.init.zeros_(parameter)
    x = torch.rand(2, 3, 7, 5)
    assert torch.equal(network(x), x)


def test_a_constant_prediction_is_taken_away() -> None:
    network = DnCNN(channels=1, features=4, layers=3)
    torch.nn.init.zeros_(network.model[-1].weight)
    torch.nn.init.constant_(network.model[-1].bias, 0.25)
    x = torch.rand(1, 1, 4, 4)
    assert torch.equal(network(x), x - 0.25)


@pytest.mark.data
def test_golden_noise() -> None:
    """The noise is a few hundredths of the output: the usual bound would pass a wrong eps of the normalisation."""
    weights, cases = golden("dncnn")
    network = DnCNN.from_weights(weights)
    assert network is not None
    x, expected = cases["net"]
    with torch.inference_mode():
        assert relative_error(x - network.eval()(x), x - expected) < 3e-6


def test_published_layout() -> None:
    """Grey and colour: convolutions at 0, 2, 5, 8 …, a batch normalisation after all but the first and last."""
    for channels in (1, 3):
        with torch.device("meta"):
            state = DnCNN(channels).state_dict()
        assert state["model.0.weight"].shape == (64, channels, 3, 3)
        assert state["model.47.weight"].shape == (channels, 64, 3, 3)
        assert sum(key.endswith("running_mean") for key in state) == 15


def test_the_form_without_batch_normalisation_is_not_claimed() -> None:
    weights = {f"model.{place}.weight": torch.zeros(3 if place == 6 else 4, 4 if place else 3, 3, 3) for place in (0, 2, 4, 6)}
    assert DnCNN.infer_sizes(weights) is None


def test_too_few_layers_are_refused() -> None:
    with pytest.raises(denoisers.UsageError, match="at least 2"):
        denoisers.create("dncnn", layers=1)
