"""Small files that declare large networks are refused before memory is taken. Sizes are declared, and never allocated."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from safetensors.torch import save_file

from unnoise import denoisers, recipes
from unnoise.errors import UnnoiseError
from unnoise.models import file_format, shipped
from unnoise.models.card import Card
from unnoise.models.file_format import FORMAT
from unnoise.models.model import fresh
from unnoise.models.stored_tensors import TooManyParametersError, bounded_parameters, find_unstored
from unnoise.training import checkpoints

SPARE_BYTES = 200_000_000


@pytest.fixture(autouse=True)
def _takes_little_memory(request: pytest.FixtureRequest) -> Any:
    before = psutil.Process().memory_info().rss
    yield
    assert psutil.Process().memory_info().rss - before < SPARE_BYTES


def _declaring(path: Path, name: str, sizes: dict[str, Any]) -> Path:
    """A tiny file whose header declares a network of these sizes."""
    recipe = recipes.load("ap-bsn")
    header = {
        "format": FORMAT,
        "denoiser": name,
        "sizes": json.dumps(sizes),
        "recipe": recipe.model_dump_json(),
        "card": Card().model_dump_json(),
    }
    save_file({"weight": torch.zeros(3)}, path, metadata=header)
    return path


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("dncnn", {"features": 10_000}),
        ("dncnn", {"features": 2, "layers": 10_000}),
        ("dbsn", {"features": 9_000, "modules": 9_000}),
        ("tmbsn-student", {"width": 10_000}),
        ("restormer", {"width": 9_600}),
        ("unet", {"features": 10_000}),
        ("nafnet", {"width": 10_000}),
    ],
)
def test_a_small_model_file_with_a_large_network(name: str, sizes: dict[str, Any], tmp_path: Path) -> None:
    path = _declaring(tmp_path / "a.safetensors", name, sizes)
    with pytest.raises(UnnoiseError, match=r"a\.safetensors"):
        file_format.read(path)


@pytest.mark.parametrize("name", denoisers.names())
def test_each_network_is_read_back(name: str, tmp_path: Path) -> None:
    large = (
        "restormer",
        "nafnet",
        "nafnet-baseline",
        "unet",
        "unet-blindspot",
        "deamnet",
        "tbsn",
        "puca",
        "vdn",
        "danet",
        "drunet",
        "scunet",
    )
    if name in large:
        pytest.skip("large at its default size, and of the same kind as others")
    network = denoisers.create(name)
    file_format.write(tmp_path / "a.safetensors", network, recipes.load("amsnet-b"), Card(), half=True)
    read, _, _ = file_format.read(tmp_path / "a.safetensors")
    assert [key for key in read.state_dict() if read.state_dict()[key].is_meta] == []
    for key, value in network.state_dict().items():
        torch.testing.assert_close(read.state_dict()[key], value.half().float() if value.is_floating_point() else value)


def test_a_network_is_given_up_as_soon_as_it_is_too_large() -> None:
    """Without memory it would still take long to make all layers."""
    with torch.device("meta"), pytest.raises(TooManyParametersError), bounded_parameters({"weight": torch.zeros(3)}):
        denoisers.create("dncnn", features=1, layers=10**12)
    denoisers.create("dncnn", features=100, layers=20)  # afterwards there is no bound


def _expanded() -> dict[str, torch.Tensor]:
    """A D-BSN's names, with tensors of stride 0 that claim 10¹² elements each."""
    weights = denoisers.create("dbsn", features=4, modules=1).state_dict()
    return {key: torch.zeros(1).expand(10**6, 10**6) for key in weights}


@pytest.mark.parametrize("wrapped", [lambda weights: weights, lambda weights: {"a": [({"b": weights},)]}])
def test_a_published_checkpoint_of_stride_0(wrapped: Any, tmp_path: Path) -> None:
    torch.save(wrapped(_expanded()), tmp_path / "a.pth")
    assert (tmp_path / "a.pth").stat().st_size < 100_000
    with pytest.raises(UnnoiseError, match=r"a\.pth is damaged or no PyTorch checkpoint"):
        shipped.import_checkpoint(tmp_path / "a.pth")


def test_a_training_s_checkpoint_of_stride_0(tmp_path: Path) -> None:
    state = {
        "network": _expanded(),
        "average": {},
        "optimizer": {},
        "step": 1,
        "seconds": 1.0,
        "seed": 0,
        "recipe": "",
        "pool": "",
    }
    torch.save(state, tmp_path / checkpoints.CHECKPOINT_FILE)
    with pytest.raises(UnnoiseError, match=r"is damaged"):
        checkpoints.load(tmp_path)


def test_a_compressed_record(tmp_path: Path) -> None:
    """A sound checkpoint that was packed anew: PyTorch would unpack it, however large it becomes."""
    weights = denoisers.create("dbsn", features=4, modules=1).state_dict()
    torch.save(weights, tmp_path / "sound.pth")
    shipped.import_checkpoint(tmp_path / "sound.pth")
    with (
        zipfile.ZipFile(tmp_path / "sound.pth") as sound,
        zipfile.ZipFile(tmp_path / "packed.pth", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for record in sound.infolist():
            packed.writestr(record.filename, sound.read(record))
    with pytest.raises(UnnoiseError, match=r"packed\.pth is damaged or no PyTorch checkpoint"):
        shipped.import_checkpoint(tmp_path / "packed.pth")


def test_tensors_that_share_their_bytes() -> None:
    one = torch.zeros(1000)
    assert find_unstored({"a": one, "tied": one, "part": one[::2], "turned": one.view(10, 100).T}, 5000) is None
    assert find_unstored([one] * 100, 5000) == "its tensors have many more bytes than the file"
    assert find_unstored([torch.zeros(1).expand(1000)], 10**6) == "a tensor has more elements than stored bytes"
    held: dict[str, Any] = {"a": one}
    held["itself"] = held
    assert find_unstored(held, 5000) is None


def test_shipped_models_are_read() -> None:
    for name in shipped.names():
        assert not any(value.is_meta for value in shipped.load(name).network.buffers())


def test_a_model_that_was_just_made_is_read(tmp_path: Path) -> None:
    model = fresh(recipes.load("ap-bsn", {"denoiser.features": 4, "denoiser.modules": 1}))
    model.save(tmp_path / "a.safetensors")
    assert shipped.load(tmp_path / "a.safetensors").network.sizes == model.network.sizes


@pytest.mark.parametrize("sizes", [{"denoiser.features": 3000}, {"denoiser.modules": 30_000, "denoiser.features": 2}])
def test_a_recipe_s_network_that_memory_has_no_room_for(sizes: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the memory is taken, and in a short time."""
    from unnoise import recipes
    from unnoise.models.model import fresh

    monkeypatch.setattr("unnoise.models.stored_tensors.free_bytes", lambda: 10**7)
    monkeypatch.setenv("UNNOISE_MAX_TENSORS", "2000")
    with torch.device("meta"), pytest.raises(UnnoiseError, match=r"ap-bsn is too large: 0\.0 GiB .* smaller sizes"):
        fresh(recipes.load("ap-bsn", sizes))
