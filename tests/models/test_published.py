"""Published checkpoints: the network is recognized in any wrapping, and gives the published picture."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from reference import golden, relative_error
from unnoise import denoisers, load
from unnoise.errors import UnnoiseError, UsageError
from unnoise.models import shipped

WRAPPINGS = {
    "as published": lambda weights: {
        "epoch": 20,
        "model_weight": {"denoiser": weights},
        "optimizer_weight": {"optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 1e-4}]}},
    },
    "data parallel": lambda weights: {"model_weight": {"denoiser": {f"module.{key}": value for key, value in weights.items()}}},
    "bare": lambda weights: weights,
    "Lightning": lambda weights: {"state_dict": {f"net.{key}": value for key, value in weights.items()}},
}


@pytest.mark.data
@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_ap_bsn_gives_the_published_picture(wrapping: str, tmp_path: Path) -> None:
    weights, cases = golden("apbsn")
    path = tmp_path / "APBSN.pth"
    torch.save(WRAPPINGS[wrapping](weights), path)
    model = load(path)
    assert model.recipe.name == "ap-bsn"
    assert model.network.sizes == {"channels": 3, "features": 8, "modules": 2, "strides": [2, 3]}
    noisy, expected = cases["denoise_pd2_odd"]
    with torch.no_grad():
        assert relative_error(model.network(cases["bsn"][0]), cases["bsn"][1]) < 1e-4
        assert relative_error(model(noisy / 255) * 255, expected) < 1e-4


@pytest.mark.data
def test_imported_and_saved_is_the_same(tmp_path: Path) -> None:
    weights, cases = golden("apbsn")
    torch.save(WRAPPINGS["as published"](weights), tmp_path / "published.pth")
    shipped.import_checkpoint(tmp_path / "published.pth").save(tmp_path / "ours.safetensors")
    with torch.no_grad():
        assert relative_error(load(tmp_path / "ours.safetensors").network(cases["bsn"][0]), cases["bsn"][1]) < 1e-4


class _Harmful:
    def __init__(self, sign: Path) -> None:
        self.sign = sign

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.sign}",)


@pytest.mark.parametrize("writer", ["torch", "pickle"])
def test_code_is_not_run(writer: str, tmp_path: Path) -> None:
    path, sign = tmp_path / "evil.pth", tmp_path / "sign"
    if writer == "torch":
        torch.save({"weights": _Harmful(sign)}, path)
    else:
        path.write_bytes(pickle.dumps({"weights": _Harmful(sign)}))
    with pytest.raises(UnnoiseError, match=r"evil\.pth holds Python code or objects"):
        shipped.import_checkpoint(path)
    assert not sign.exists()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_checkpoint_cut_short(share: float, tmp_path: Path) -> None:
    path = tmp_path / "cut.pth"
    torch.save({"denoiser": {"a": torch.rand(1000)}}, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(UnnoiseError, match=r"cut\.pth is damaged or no PyTorch checkpoint"):
        shipped.import_checkpoint(path)


def test_foreign_weights_are_told(tmp_path: Path) -> None:
    torch.save({"encoder.weight": torch.rand(3, 3)}, tmp_path / "other.pth")
    with pytest.raises(UnnoiseError, match="holds weights of no network known here"):
        shipped.import_checkpoint(tmp_path / "other.pth")


NETWORKS: dict[str, dict[str, Any]] = {
    "dbsn": {"features": 4, "modules": 1},
    "ssbsn": {"features": 4, "modules": 1, "attention_modules": 1},
    "atbsn": {"width": 4},
    "tmbsn": {"features": 4, "groups": 1, "blocks": 1},
    "dncnn": {"features": 4, "layers": 3},
    "unet": {"features": 4},
}


@pytest.mark.parametrize("change", [torch.flatten, torch.sum, lambda x: x[:0]], ids=["flat", "one number", "empty"])
@pytest.mark.parametrize("name", NETWORKS)
def test_kernels_of_another_shape(name: str, change: Callable[[torch.Tensor], torch.Tensor], tmp_path: Path) -> None:
    weights = denoisers.create(name, **NETWORKS[name]).state_dict()
    torch.save({key: change(value) if value.dim() == 4 else value for key, value in weights.items()}, tmp_path / "odd.pth")
    with pytest.raises(UnnoiseError, match=r"odd\.pth"):
        shipped.import_checkpoint(tmp_path / "odd.pth")


@pytest.mark.data
def test_a_bit_that_turned(tmp_path: Path) -> None:
    path = tmp_path / "rotten.pth"
    weights = golden("apbsn")[0]
    torch.save(weights, path)
    whole = bytearray(path.read_bytes())
    whole[whole.index(next(iter(weights.values())).numpy().tobytes()) + 2] ^= 1
    path.write_bytes(whole)
    with pytest.raises(UnnoiseError, match=r"rotten\.pth is damaged"):
        shipped.import_checkpoint(path)


def test_dictionaries_that_hold_themselves(tmp_path: Path) -> None:
    held: dict[str, object] = {"encoder.weight": torch.rand(3, 3)}
    held["again"] = {"deeper": held}
    torch.save(held, tmp_path / "cyclic.pth")
    with pytest.raises(UnnoiseError, match="holds weights of no network known here"):
        shipped.import_checkpoint(tmp_path / "cyclic.pth")


@pytest.mark.data
def test_weights_that_are_no_numbers(tmp_path: Path) -> None:
    path = tmp_path / "nan.pth"
    weights = golden("apbsn")[0]
    key = next(iter(weights))
    torch.save(weights | {key: weights[key] * torch.nan}, path)
    with pytest.raises(UnnoiseError, match=rf"weights in {path} are not all finite numbers"):
        shipped.import_checkpoint(path)


@pytest.mark.parametrize("name", ["ours.safetensors", "ours.pth"])
def test_a_file_of_ours_keeps_recipe_and_card(name: str, tmp_path: Path) -> None:
    model = shipped.load("fast")
    model.save(tmp_path / name)
    again = shipped.import_checkpoint(tmp_path / name)
    assert again.recipe == model.recipe
    assert again.card == model.card
    assert load(tmp_path / name).card == model.card


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no checkpoint"):
        shipped.import_checkpoint(tmp_path / "none.pth")
    with pytest.raises(UsageError, match="There is no model 'nonsense'"):
        load("nonsense")
