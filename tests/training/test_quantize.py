"""Steps for int8 that a student gets after its training, and what int8 is said to change."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reference import needs_int8
from unnoise import recipes
from unnoise.denoisers.quantized_student import MAXIMUM_SHARE, QuantizedStudent
from unnoise.errors import UsageError
from unnoise.layers.quantized.quantized_convolution import QuantizedConvolution
from unnoise.models import shipped
from unnoise.models.model import Model, fresh
from unnoise.training.image_pool import ImagePool
from unnoise.training.quantize import measure_change, quantize_model, simulate_photographs


def _student(channels: int = 3) -> Model:
    torch.manual_seed(0)
    sizes = {"channels": channels, "width": 4}
    scheme = {"name": "distillation", "teachers": []}
    return fresh(recipes.validate({"name": "tiny", "denoiser": {"name": "tmbsn-student"} | sizes, "scheme": scheme}, "tiny"))


def _tops(model: Model) -> dict[str, torch.Tensor]:
    return {key: value for key, value in model.network.state_dict().items() if key.endswith(".log_maximum")}


def test_default_has_the_steps_that_its_weights_get() -> None:
    model = shipped.load("default")
    again = quantize_model(model)
    for key, value in model.network.state_dict().items():
        torch.testing.assert_close(again.network.state_dict()[key], value, rtol=0, atol=0.002)  # they are stored as float16
    assert len(_tops(again)) == 14


@pytest.mark.parametrize("channels", [1, 3])
def test_weights_and_pictures_stay_and_steps_come(channels: int) -> None:
    student = _student(channels)
    result = quantize_model(student)
    assert isinstance(result.network, QuantizedStudent)
    assert result.recipe.denoiser.name == "tmbsn-student-rounded"
    for key, value in student.network.state_dict().items():
        assert torch.equal(result.network.state_dict()[key], value)
    noisy = torch.rand(1, channels, 40, 40)
    assert torch.equal(student(noisy), result(noisy))
    assert all(log_maximum.isfinite().all() and (log_maximum != 0).all() for log_maximum in _tops(result).values())


def test_steps_hold_what_maps_hold() -> None:
    """Found by hooks, which only layers that double their map go past."""
    network = quantize_model(_student()).network
    observed_maximum: dict[str, torch.Tensor] = {}
    names = {layer: name for name, layer in network.named_modules() if isinstance(layer, QuantizedConvolution)}

    def look(layer: QuantizedConvolution, _inputs: object, y: torch.Tensor) -> None:
        highest = y.amax((0, 2, 3))
        observed_maximum[names[layer]] = torch.maximum(observed_maximum.get(names[layer], highest), highest)

    for layer in names:
        layer.register_forward_hook(look)
    with torch.inference_mode():
        for photograph in simulate_photographs():
            network(photograph)
    layer = network.get_submodule("enc3")
    assert isinstance(layer, QuantizedConvolution)
    assert layer.log_maximum is not None
    assert (layer.log_maximum.exp() >= MAXIMUM_SHARE * observed_maximum["enc3"] * 0.999).all()
    assert ((layer.log_maximum.exp() - MAXIMUM_SHARE * observed_maximum["enc3"]).abs() < 1e-5 * observed_maximum["enc3"]).any()


def test_pictures_count_too() -> None:
    """Stronger ones than any photograph widen the steps, and none becomes finer."""
    wild = np.random.default_rng(0).normal(0.5, 20, (128, 128, 3)).astype(np.float32)
    without, with_ = _tops(quantize_model(_student())), _tops(quantize_model(_student(), ImagePool([wild])))
    assert all((with_[key] >= without[key]).all() for key in without)
    assert any((with_[key] > without[key] + 1).any() for key in without)


def test_calibration_leaves_the_network_as_it_was() -> None:
    network = QuantizedStudent(width=4).train()
    with pytest.raises(RuntimeError):
        network.calibrate([torch.rand(1, 2, 32, 32)])
    assert network.training
    assert all(layer.observed_maximum is None for layer in network.modules() if isinstance(layer, QuantizedConvolution))


def test_other_networks_have_no_such_form() -> None:
    with pytest.raises(UsageError, match="DBSN has no form whose maps are bytes; run it as it is with --precision int8"):
        quantize_model(shipped.load("ap-bsn"))


@needs_int8
def test_int8_changes_little_of_what_default_takes_out() -> None:
    changed, removed = measure_change(shipped.load("default"))
    assert 0 < changed < 0.02 * removed


@needs_int8
def test_a_badly_chosen_step_is_told() -> None:
    model = quantize_model(_student())
    before = measure_change(model).changed
    with torch.no_grad():
        for layer in model.network.modules():
            if isinstance(layer, QuantizedConvolution) and layer.log_maximum is not None:
                layer.log_maximum.add_(3)
    assert measure_change(model).changed > 10 * before
