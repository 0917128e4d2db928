"""Real and simulated crops: each kind in its share, simulated ones with a truth, and a student that learns from both."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.data import astronaut
from skimage.metrics import peak_signal_noise_ratio

from handmade import Affine, model_of
from unnoise import denoisers, recipes
from unnoise.errors import UsageError
from unnoise.noise import Cameras
from unnoise.recipes.schema import Training
from unnoise.schemes.simulated_crops import SimulatedCrops
from unnoise.schemes.teachers import TeacherChoice, TeacherOptions
from unnoise.simulation import ColorChange, NoiseSpectra
from unnoise.training.feeding import CropBatches
from unnoise.training.image_pool import ImagePool
from unnoise.training.simulated_pool import SimulatedPool
from unnoise.training.teacher_cache import TaughtPool, with_targets
from unnoise.training.teachers import load_teachers
from unnoise.training.train import train

PICTURES = [astronaut()[top : top + 96, left : left + 80] for top, left in ((0, 150), (100, 200), (250, 60))]


def _mixed(folder: Path, simulation: SimulatedCrops, channels: int = 3, teachers: int = 2) -> SimulatedPool:
    networks = {str(number): Affine(1.0, 0.01 * number, channels=channels) for number in range(teachers)}
    engaged = load_teachers(
        [TeacherChoice(model=name) for name in networks], TeacherOptions(), networks["0"], lambda name: model_of(networks[name])
    )
    pool = ImagePool([picture[..., :channels] for picture in PICTURES])
    taught = with_targets(pool, engaged, folder, torch.device("cpu"), nullcontext)
    return SimulatedPool(taught, simulation)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("reduce", "leaves"), [(1, 0), (2, 0), (2, 0.5), (2, 1)])
def test_crops_bring_targets_of_both_kinds(channels: int, reduce: int, leaves: float, tmp_path: Path) -> None:
    pool = _mixed(tmp_path, SimulatedCrops(share=0.3, reduce=reduce, leaves=leaves), channels)
    draw = np.random.default_rng(0)
    real = 0
    for _ in range(200):
        crop = pool.crop(draw, 24)
        assert crop.shape == (24, 24, 3 * channels)
        noisy, first, second = np.split(crop, 3, axis=2)
        if np.allclose(second - first, 0.01, atol=2e-3):  # what these teachers add
            real += 1
            assert np.abs(first - noisy).max() < 1e-3
        else:
            np.testing.assert_array_equal(first, second)
    assert abs(real / 200 - 0.7) < 0.1


def test_the_draws_decide(tmp_path: Path) -> None:
    pool = _mixed(tmp_path, SimulatedCrops())
    training = Training(crop=16, batch=8)
    assert torch.equal(CropBatches(pool, training, 3)[4], CropBatches(pool, training, 3)[4])


def test_leaves_have_the_pictures_colours(tmp_path: Path) -> None:
    pool = _mixed(tmp_path, SimulatedCrops(leaves=1))
    known = np.concatenate([picture.reshape(-1, 3) for picture in PICTURES]) / 255
    assert pool.palette.shape[1] == 3
    assert np.abs(pool.palette.mean(axis=0) - known.mean(axis=0)).max() < 0.05
    draw = np.random.default_rng(0)
    first = [pool._fallen(draw, 32) for _ in range(3)]
    again = np.random.default_rng(0)
    np.testing.assert_array_equal(first, [pool._fallen(again, 32) for _ in range(3)])


def test_a_pool_of_simulated_crops_is_a_taught_pool(tmp_path: Path) -> None:
    pool = _mixed(tmp_path, SimulatedCrops())
    assert isinstance(pool, TaughtPool)
    assert len(pool.files) == len(PICTURES)


def test_simulation_needs_the_teachers_results_on_whole_pictures() -> None:
    with pytest.raises(UsageError, match="cache"):
        recipes.load("tm-bsn-d-quick", {"scheme.simulated": {}, "scheme.cache": False})
    with pytest.raises(UsageError, match="share"):
        recipes.load("tm-bsn-d-quick", {"scheme.simulated": {"share": 2}})


def test_a_student_learns_what_only_simulated_crops_can_teach(tmp_path: Path) -> None:
    """Its teacher gives back what it gets: noise is learnt from the simulated crops alone."""
    teacher = tmp_path / "teacher.safetensors"
    network = denoisers.create("dncnn", features=4, layers=2)
    for parameter in network.parameters():
        parameter.data.zero_()  # it takes away no noise
    model_of(network).save(teacher)
    recipe = recipes.load(
        "tm-bsn-d-quick",
        {
            "denoiser": {"name": "nafnet", "width": 8, "encoder_blocks": [1], "middle_blocks": 1, "decoder_blocks": [1]},
            "bias_correction": "none",
            "bounded": False,  # the network alone is judged
            "scheme.teachers": [str(teacher)],
            "scheme.simulated": {"share": 0.9, "cameras": {"iso": [12800, 25600], "stops": [-1, 0], "processed": 0}},
            "training.crop": 32,
            "training.learning_rate": 5e-3,
            "training.warmup_steps": 5,
            "training.ema": 0.0,
        },
    )
    model = train(PICTURES, recipe, output=tmp_path / "run", steps=200)
    noisy, clean = Cameras(iso=(16_000, 16_000), stops=(0, 0), processed=0).pair(
        (astronaut()[300:396, 300:396] / 255).astype(np.float32), np.random.default_rng(0)
    )
    before = peak_signal_noise_ratio(clean, noisy, data_range=1)
    after = peak_signal_noise_ratio(clean, model.denoise(noisy, force=True), data_range=1)
    assert after > before + 0.8


RANDOMIZED = SimulatedCrops(share=0.5, drawn=0.4, leaves=0.5, gamut=0.5, spectra=0.5, colors=ColorChange())


@pytest.mark.parametrize("channels", [1, 3])
def test_randomized_crops_bring_targets_that_fit_them(channels: int, tmp_path: Path) -> None:
    """Of a real crop noisy and targets change alike: those teachers change next to nothing, so the difference stays small."""
    pool = _mixed(tmp_path, RANDOMIZED, channels)
    draw = np.random.default_rng(0)
    real = 0
    for _ in range(120):
        noisy, first, second = np.split(pool.crop(draw, 24), 3, axis=2)
        assert noisy.shape == (24, 24, channels)
        if np.array_equal(first, second):
            continue
        real += 1
        assert np.abs(first - noisy).max() < 1e-2
        assert np.abs(second - noisy).max() < 0.04  # 0.01, by the strongest saturation and rounding at most 0.03
    assert abs(real / 120 - 0.5) < 0.15


def test_new_colors_of_real_crops(tmp_path: Path) -> None:
    """With channels exchanged in every crop each order of the channels of one and the same picture is met."""
    exchange = ColorChange(exchange=1, mix=0, saturate=0, tint=0, negative=0)
    pool = _mixed(tmp_path, SimulatedCrops(share=1e-9, colors=exchange))
    means = [pool.crop(np.random.default_rng(seed), 80)[..., :3].mean((0, 1)) for seed in range(60)]
    assert len({tuple(np.argsort(mean)) for mean in means}) > len({tuple(np.argsort(p.mean((0, 1)))) for p in PICTURES})
    assert len({tuple(np.argsort(mean)) for mean in means}) == 6


def test_kinds_without_a_share_draw_nothing(tmp_path: Path) -> None:
    """Recipes from before these kinds draw the crops that they drew."""
    plain, named = SimulatedCrops(), SimulatedCrops(drawn=0, gamut=0, spectra=0, colors=None, noises=NoiseSpectra(white=0))
    first, second = (_mixed(tmp_path, simulation).crop(np.random.default_rng(5), 24) for simulation in (plain, named))
    np.testing.assert_array_equal(first, second)
    assert not list(tmp_path.rglob("drawn-*"))
    assert not list(tmp_path.rglob("gamut-*"))


def test_kinds_of_drawn_scenes_are_chosen(tmp_path: Path) -> None:
    """A chart has one color a patch, a shade one a pixel. About a third of the charts are blurred."""

    def plain(kinds: dict[str, float]) -> float:
        simulation = SimulatedCrops(share=0.999, drawn=1, spectra=1, kinds=kinds)  # type: ignore[arg-type]
        pool, draw = _mixed(tmp_path, simulation, teachers=1), np.random.default_rng(0)
        crops = [pool.crop(draw, 24)[..., 3:].reshape(-1, 3) for _ in range(60)]
        return sum(len(np.unique(crop, axis=0)) <= 25 for crop in crops) / len(crops)

    charts, shades = plain({"chart": 2}), plain({"shades": 1})
    assert charts > shades + 0.5
    assert shades + 0.1 < plain({"chart": 1, "shades": 1}) < charts - 0.1
    with pytest.raises(UsageError, match="kinds"):
        SimulatedCrops(kinds={"flowers": 1})  # type: ignore[dict-item]
    with pytest.raises(UsageError, match="kinds"):
        SimulatedCrops(kinds={})


def test_the_recipe_of_randomized_crops_trains(tmp_path: Path) -> None:
    teacher = model_of(denoisers.create("tmbsn-student", channels=3, width=4))
    teacher.save(tmp_path / "teacher.safetensors")
    overrides = {"scheme.teachers": [str(tmp_path / "teacher.safetensors")], "denoiser.width": 8, "training.crop": 32}
    chosen = recipes.load("tm-bsn-d-randomized-quick", overrides)
    model = train(PICTURES, chosen, output=tmp_path / "run", steps=3)
    assert model.card.steps == 3
    assert list((tmp_path / "run").rglob("drawn-64-*")) or list((tmp_path / "run").rglob("*leaves-64-*"))
