"""Old keyword arguments warn and do the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from unnoise.deprecated.keywords import renamed_keywords
from unnoise.images import to_tensor
from unnoise.photometry.normalization import Normalization
from unnoise.training.image_pool import from_arrays, from_files


@renamed_keywords(reach="radius")
def area(radius: int, scale: int = 1) -> int:
    """A square's area."""
    return scale * (2 * radius + 1) ** 2


def test_new_names_and_places_do_not_warn(recwarn: pytest.WarningsRecorder) -> None:
    assert area(1) == area(radius=1) == 9
    assert area(1, scale=2) == 18
    assert not recwarn.list
    assert area.__doc__ == "A square's area."


def test_an_old_name_warns_where_it_stands() -> None:
    with pytest.warns(DeprecationWarning, match=r"'reach' of area is now called 'radius'") as caught:
        assert area(reach=1, scale=3) == 27  # type: ignore[call-arg]
    assert caught[0].filename == __file__


def test_both_names_are_an_error() -> None:
    with pytest.raises(TypeError, match="give 'radius' alone"):
        area(radius=1, reach=2)  # type: ignore[call-arg]


def test_pictures_on_any_scale_are_taken_by_the_old_name(tmp_path: Path) -> None:
    counts = np.array([[1.0, 50.0], [20.0, 300.0]], np.float32)
    rule = Normalization(of="picture")
    with pytest.warns(DeprecationWarning, match="'levels' of to_tensor is now called 'normalization'"):
        before, _ = to_tensor(counts, levels=rule)  # type: ignore[call-arg]
    assert torch.equal(before, to_tensor(counts, normalization=rule)[0])
    with pytest.warns(DeprecationWarning, match="'levels' of from_arrays"):
        pool = from_arrays([counts], 1, levels=rule)  # type: ignore[call-arg]
    assert np.array_equal(pool.pictures[0], from_arrays([counts], 1, normalization=rule).pictures[0])
    np.save(tmp_path / "counts.npy", counts)
    with pytest.warns(DeprecationWarning, match="'levels' of from_files"):
        stored = from_files([tmp_path / "counts.npy"], 1, levels=rule)  # type: ignore[call-arg]
    assert np.array_equal(stored.pictures[0], pool.pictures[0])
