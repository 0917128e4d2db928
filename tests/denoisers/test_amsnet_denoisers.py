"""What holds for each of AMSNet's denoisers: published numbers, any image size, sizes read off the weights, precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reference import golden, relative_error
from unnoise import denoisers
from unnoise.denoisers.base import Denoiser

GOLDEN = {
    "restormer": "restormer",
    "deamnet": "deamnet",
    "nafnet-baseline": "nafnet_baseline",
    "unet": "unet",
    "unet-blindspot": "unet_blindspot",
    "dncnn": "dncnn",
}
OTHERS = ["apbsn", "ssbsn", "atbsn", "atbsn_student_a", "atbsn_student_c", "tmbsn"]
NAMES = [*GOLDEN, "nafnet"]
NAFNET = {"width": 4, "encoder_blocks": [1, 1, 0, 1], "middle_blocks": 1, "decoder_blocks": [1, 0, 1, 1]}
SMALL: dict[str, dict[str, Any]] = {
    "restormer": {"dim": 4, "blocks": [1, 1, 1, 1], "refinement_blocks": 1, "heads": [1, 2, 2, 4]},
    "deamnet": {"features": 16},
    "nafnet": NAFNET,
    "nafnet-baseline": NAFNET,
    "unet": {"features": 4},
    "unet-blindspot": {"features": 4},
    "dncnn": {"features": 4, "layers": 4},
}


def lively(name: str, **sizes: Any) -> Denoiser:
    """A small denoiser in evaluation mode, with all parameters and statistics random, also those that begin as 0 or 1."""
    network = denoisers.create(name, **(SMALL[name] | sizes)).eval()
    for key, value in network.state_dict().items():
        if key.endswith("running_var") or ("norm" in key and key.endswith("weight")):
            value.uniform_(0.5, 1.5)
        elif value.is_floating_point():
            value.normal_(std=(value[0].numel() + 1) ** -0.5)
    return network


@pytest.mark.data
@pytest.mark.parametrize(("name", "file"), GOLDEN.items())
def test_golden(name: str, file: str) -> None:
    weights, cases = golden(file)
    network = denoisers.lookup(name).from_weights(weights)
    assert network is not None
    with torch.inference_mode():
        for case, (x, expected) in cases.items():
            assert relative_error(network.eval()(x), expected) < 1e-4, case


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("restormer", 26_111_668), ("deamnet", 2_228_131), ("nafnet-baseline", 29_056_227), ("unet", 7_935_555)],
)
def test_parameters_at_full_size(name: str, parameters: int) -> None:
    with torch.device("meta"):
        network = denoisers.create(name)
    assert network.parameter_count() == sum(parameter.numel() for parameter in network.parameters()) == parameters


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=8, deadline=None)
@given(height=st.integers(1, 40), width=st.integers(1, 40), channels=st.sampled_from([1, 3]))
def test_any_size(name: str, height: int, width: int, channels: int) -> None:
    network = lively(name, channels=channels)
    x = torch.rand(2, channels, height, width)
    with torch.inference_mode():
        result = network(x)
    assert result.shape == x.shape
    assert result.isfinite().all()


@pytest.mark.parametrize("name", ["restormer", "deamnet", "unet", "unet-blindspot", "nafnet", "nafnet-baseline"])
@pytest.mark.parametrize("size", [(1, 1), (3, 40), (33, 17)])
def test_other_sizes_are_padded_and_cropped(name: str, size: tuple[int, int]) -> None:
    """Reflection at the bottom and right; zeros in NAFNet, as published, and in the blind-spot U-Net, for its blindness."""
    mode = "reflect" if name in ("restormer", "deamnet", "unet") else "constant"
    network = lively(name)
    x = torch.rand(1, 3, *size)
    rows, columns = (-side % network.size_multiple for side in size)
    padded = torch.from_numpy(np.pad(x.numpy(), ((0, 0), (0, 0), (0, rows), (0, columns)), mode=mode))
    with torch.inference_mode():
        assert torch.equal(network(x), network(padded)[..., : size[0], : size[1]])


def _sizes(name: str) -> st.SearchStrategy[dict[str, Any]]:
    few = st.integers(1, 2)
    channels = st.sampled_from([1, 3, 4])
    if name == "restormer":
        return st.fixed_dictionaries(
            {
                "channels": channels,
                "dim": st.sampled_from([4, 8]),
                "blocks": st.lists(few, min_size=4, max_size=4),
                "refinement_blocks": st.integers(0, 2),
                "heads": st.lists(st.sampled_from([1, 2, 4]), min_size=4, max_size=4),
                "expansion": st.sampled_from([1.0, 2.0, 2.66, 2.5, 1.234, 3.999]),
                "bias": st.booleans(),
                "norm": st.sampled_from(["BiasFree", "WithBias"]),
            }
        )
    if name in ("nafnet", "nafnet-baseline"):
        return st.integers(1, 3).flatmap(
            lambda levels: st.fixed_dictionaries(
                {
                    "channels": channels,
                    "width": st.sampled_from([2, 6]),
                    "encoder_blocks": st.lists(st.integers(0, 2), min_size=levels, max_size=levels),
                    "middle_blocks": few,
                    "decoder_blocks": st.lists(st.integers(0, 2), min_size=levels, max_size=levels),
                    "depthwise_expansion": few,
                    "hidden_expansion": st.integers(1, 3),
                }
            )
        )
    if name == "dncnn":
        return st.fixed_dictionaries({"channels": channels, "features": st.integers(1, 6), "layers": st.integers(2, 7)})
    return st.fixed_dictionaries({"channels": channels, "features": st.sampled_from([1, 16] if name == "deamnet" else [1, 5])})


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_sizes_are_read_off_the_weights(name: str, data: st.DataObject) -> None:
    network = lively(name, **data.draw(_sizes(name)))
    again = type(network).from_weights(network.state_dict())
    assert again is not None
    # Several expansions may give the same widths; any of them will do.
    assert again.sizes | {"expansion": 0} == network.sizes | {"expansion": 0}
    x = torch.rand(1, network.sizes["channels"], 5, 9)
    with torch.inference_mode():
        assert torch.equal(again.eval()(x), network(x))


@pytest.mark.data
@pytest.mark.parametrize("name", NAMES)
def test_no_network_claims_anothers_weights(name: str) -> None:
    weights = golden(GOLDEN[name])[0] if name in GOLDEN else lively(name).state_dict()
    assert [other for other in denoisers.names() if denoisers.lookup(other).infer_sizes(weights) is not None] == [name]


@pytest.mark.data
@pytest.mark.parametrize("file", OTHERS)
def test_weights_of_other_systems_are_not_claimed(file: str) -> None:
    weights, _ = golden(file)
    for prefix in ("", "bsn.", "nbsn.", "unet.", "bsn.unet.", "nbsn.unet."):
        stripped = {key.removeprefix(prefix): value for key, value in weights.items()}
        assert [name for name in NAMES if denoisers.lookup(name).infer_sizes(stripped) is not None] == []


@pytest.mark.parametrize("name", NAMES)
def test_blindness_is_as_declared(name: str) -> None:
    network = lively(name).double()
    x = torch.rand(1, 3, 21, 34, dtype=torch.float64, requires_grad=True)
    network(x)[..., 11, 19].sum().backward()
    assert x.grad is not None
    assert (x.grad[..., 11, 19].abs().max() == 0) == (network.blindness == "strict")
    assert x.grad[..., 10, 19].abs().max() > 0


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_that_asks_for_a_gradient_gets_one(name: str) -> None:
    """Training on several machines stops at a parameter without; DeamNet's dead ones must not ask."""
    network = lively(name).train()
    network(torch.rand(2, 3, 16, 16)).square().sum().backward()
    assert [key for key, value in network.named_parameters() if value.requires_grad and value.grad is None] == []


@pytest.mark.parametrize("gradient", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_last_layer_keeps_its_precision_under_autocast(name: str, gradient: bool) -> None:
    network = lively(name)
    outputs = []
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(lambda _module, _inputs, output: outputs.append(output.dtype))
    x = torch.rand(1, 3, 17, 24)
    with torch.set_grad_enabled(gradient):
        exact = network(x)
        outputs.clear()
        with torch.autocast("cpu", torch.bfloat16):
            result = network(x)
    if gradient:  # without, other layers run fused, past the hooks, as wide 1×1 layers do in training
        assert set(outputs[:-1]) <= {torch.bfloat16}
        assert outputs[-1] == torch.float32
    assert not torch.equal(result, exact)  # the others are fast
    assert result.dtype == torch.float32
    assert relative_error(result, exact) < 0.05
    assert not torch.equal(result, result.bfloat16().float())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16, torch.float64])
def test_runs_wholly_in_another_precision(name: str, precision: torch.dtype) -> None:
    network = lively(name)
    x = torch.rand(1, 3, 16, 24)
    with torch.inference_mode():
        exact = network(x)
        result = network.to(precision)(x.to(precision))
    assert result.dtype == precision
    assert relative_error(result.float(), exact) < (0.1 if precision.itemsize == 2 else 1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_memory_format_changes_nothing(name: str) -> None:
    network = lively(name)
    x = torch.rand(2, 3, 32, 64)
    with torch.inference_mode():
        expected = network(x)
        result = network.to(memory_format=torch.channels_last)(x.contiguous(memory_format=torch.channels_last))
    assert relative_error(result, expected) < 1e-4
