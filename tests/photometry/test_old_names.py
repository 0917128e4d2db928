"""Old names of photometry work for one release, with a warning."""

from __future__ import annotations

from importlib import import_module

import pytest


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("bias_correction", "Light", "BiasCorrection"),
        ("normalization", "Levels", "Normalization"),
        ("clipping", "Cut", "Clipping"),
        ("rescaling", "Span", "Rescaling"),
        ("transfer_function", "is_in_proportion", "is_linear"),
    ],
)
def test_old_names(module: str, old: str, new: str) -> None:
    home = import_module(f"unnoise.photometry.{module}")
    with pytest.warns(DeprecationWarning, match=f"{old} is now called .*{new}"):
        assert getattr(home, old) is getattr(home, new)
