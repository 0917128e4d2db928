"""Names of functions and classes that users' denoisers may use: the old ones give what the new ones are."""

from __future__ import annotations

from importlib import import_module

import pytest

OLD = [
    ("layers.weight_cache", "weights_kept", "cached_weights"),
    ("layers.weight_cache", "prepared", "prepare_weights"),
    ("layers.output_layer", "last_layer", "output_convolution"),
    ("layers.fused_convolution", "in_sequence", "run_sequential"),
    ("layers.quantized.quantized_convolution", "RoundedConvolution", "QuantizedConvolution"),
    ("layers.leaky_convolution", "Convolution", "LeakyConvolution"),
    ("denoisers.quantized_student", "RoundedStudent", "QuantizedStudent"),
    ("schemes.base", "part_of", "run_region"),
    ("schemes.tunable_blind_spot", "LargeHole", "TunableScheme"),
]


@pytest.mark.parametrize(("module", "old", "new"), OLD)
def test_the_old_name_gives_what_the_new_one_is(module: str, old: str, new: str) -> None:
    found = import_module(f"unnoise.{module}")
    with pytest.warns(DeprecationWarning, match=f"{old} is now called unnoise.{module}.{new}"):
        assert getattr(found, old) is getattr(found, new)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = found.nothing
