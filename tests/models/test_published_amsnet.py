"""AMSNet's published checkpoints in Lightning's format: each denoiser is recognized, with the published picture."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from reference import golden, relative_error
from unnoise import denoisers, images, load
from unnoise.errors import UnnoiseError
from unnoise.inference.pipeline import Pipeline
from unnoise.inference.settings import InferenceSettings
from unnoise.models import published, shipped
from unnoise.rng import PositionalGenerator
from unnoise.schemes.asymmetric_mask import AsymmetricMask

NETWORKS = {
    "restormer": "restormer",
    "deamnet": "deamnet",
    "nafnet-baseline": "nafnet_baseline",
    "unet": "unet",
    "unet-blindspot": "unet_blindspot",
    "dncnn": "dncnn",
}


def _lightning(weights: dict[str, torch.Tensor], **more: Any) -> dict[str, Any]:
    """What Lightning's `ModelCheckpoint` writes with `save_weights_only`."""
    return {
        "epoch": 12,
        "global_step": 25_000,
        "pytorch-lightning_version": "2.4.0",
        "state_dict": {f"net.dn.branches.0.{key}": value for key, value in weights.items()},
        "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 13, "completed": 12}}}},
        **more,
    }


@contextmanager
def _pretended(module: str, name: str) -> Iterator[Any]:
    """A dictionary class under the name of one that is not installed here, while a file is written."""
    kind = type(name, (dict,), {"__module__": module})
    parts = module.split(".")
    added = [".".join(parts[: depth + 1]) for depth in range(len(parts))]
    added = [part for part in added if part not in sys.modules]
    for part in added:
        sys.modules[part] = ModuleType(part)
    setattr(sys.modules[module], name, kind)
    try:
        yield kind
    finally:
        for part in added:
            del sys.modules[part]


@pytest.mark.data
@pytest.mark.parametrize(("name", "file"), NETWORKS.items())
def test_gives_the_published_picture(name: str, file: str, tmp_path: Path) -> None:
    weights, cases = golden(file)
    path = tmp_path / "published.ckpt"
    torch.save(_lightning(weights), path)
    model = load(path)
    assert denoisers.name_of(model.network) == name
    assert model.recipe.name == "amsnet-b"
    assert model.recipe.denoiser.name == name
    assert model.recipe.denoiser.sizes == model.network.sizes
    assert isinstance(model.recipe.scheme, AsymmetricMask)
    assert cases
    with torch.no_grad():
        for noisy, expected in cases.values():
            assert relative_error(model.network(noisy), expected) < 1e-4


@pytest.mark.data
def test_a_network_of_one_s_own_needs_no_recipe_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One file, one line: the table of published recipes is no second place to write it down in."""
    monkeypatch.delitem(published._RECIPES, "dncnn")
    torch.save(golden("dncnn")[0], tmp_path / "mine.pth")
    model = shipped.import_checkpoint(tmp_path / "mine.pth")
    assert denoisers.name_of(model.network) == "dncnn"
    assert model.recipe.name == published.DEFAULT_RECIPE


def test_a_picture_is_not_taken_for_what_could_do_harm(tmp_path: Path) -> None:
    images.write(tmp_path / "picture.png", images.Picture(np.zeros((8, 8, 3), np.uint8)))
    with pytest.raises(UnnoiseError, match=r"picture\.png is damaged or no PyTorch checkpoint"):
        shipped.import_checkpoint(tmp_path / "picture.png")


@pytest.mark.data
def test_imported_and_saved_restores_the_same(tmp_path: Path) -> None:
    """The whole picture's way, with the masks: the imported model, the saved one, and the bare scheme agree."""
    weights, _ = golden("dncnn")
    torch.save(_lightning(weights), tmp_path / "published.ckpt")
    model = shipped.import_checkpoint(tmp_path / "published.ckpt")
    model.save(tmp_path / "ours.safetensors")
    noisy = torch.rand(1, 3, 21, 16)
    with torch.no_grad():
        expected = AsymmetricMask().restore(model.network, noisy, PositionalGenerator(0))
    assert torch.allclose(model(noisy), expected, atol=1e-6)
    assert torch.allclose(load(tmp_path / "ours.safetensors")(noisy), expected, atol=1e-6)
    # Of so faint a network the masks move little, and less than bfloat16 rounds.
    one, other = (
        Pipeline(model.network, AsymmetricMask(), InferenceSettings(seed=n, precision="float32")).restore(noisy) for n in (0, 1)
    )
    assert not torch.equal(one, other)


@pytest.mark.data
@pytest.mark.parametrize(
    "module", ["lightning.fabric.utilities.data", "lightning_fabric.utilities.data", "pytorch_lightning.utilities.parsing"]
)
def test_hyper_parameters_are_no_hindrance(module: str, tmp_path: Path) -> None:
    weights, cases = golden("dncnn")
    with _pretended(module, "AttributeDict") as kind:
        held = _lightning(
            weights,
            hyper_parameters=kind(cfg={"model": {"name": "mmpn"}}, lr=1e-4),
            datamodule_hyper_parameters=Namespace(path=tmp_path, batch_size=2),
        )
        torch.save(held, tmp_path / "published.ckpt")
    model = load(tmp_path / "published.ckpt")
    noisy, expected = next(iter(cases.values()))
    with torch.no_grad():
        assert relative_error(model.network(noisy), expected) < 1e-4


@pytest.mark.data
def test_other_classes_are_refused_still(tmp_path: Path) -> None:
    weights, _ = golden("dncnn")
    with _pretended("codes.model", "InferenceSettings") as kind:
        torch.save(_lightning(weights, hyper_parameters=kind(lr=1e-4)), tmp_path / "other.ckpt")
    with pytest.raises(UnnoiseError, match=r"other\.ckpt holds Python code or objects"):
        load(tmp_path / "other.ckpt")


@pytest.mark.data
def test_nothing_stays_allowed_for_others_in_the_process(tmp_path: Path) -> None:
    before = torch.serialization.get_safe_globals()
    torch.save(_lightning(golden("dncnn")[0], hyper_parameters=Namespace(lr=1e-4)), tmp_path / "published.ckpt")
    load(tmp_path / "published.ckpt")
    assert set(torch.serialization.get_safe_globals()) == set(before)
    assert Namespace not in before
