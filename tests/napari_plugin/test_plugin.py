"""The plugin in napari without a window: its manifest, what napari makes of its functions, and layers in and out."""

from __future__ import annotations

import inspect
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unnoise
from unnoise.errors import UsageError
from unnoise.models import shipped
from unnoise.napari_plugin import widgets
from unnoise.napari_plugin.actions import denoise_layer, report_on_layer, train_on_layer
from unnoise.napari_plugin.layer_pixels import pixels_of

pytest.importorskip("napari", reason="napari is not installed: pip install '.[napari]'")
from napari.components import ViewerModel
from napari.layers import Image

ROOT = Path(__file__).parents[2]
MANIFEST = ROOT / "src" / "unnoise" / "napari_plugin" / "napari.yaml"


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(0)


def _scene(generator: np.random.Generator, *shape: int) -> np.ndarray:
    """(…, H, W) of smooth brightness in counts with Poisson noise."""
    y, x = np.mgrid[: shape[-2], : shape[-1]] / 20
    return generator.poisson(200 + 100 * np.sin(x + y), shape).astype(np.uint16)


def test_napari_finds_the_plugin_and_each_command_can_be_called() -> None:
    import npe2

    manifest = npe2.PluginManifest.from_file(MANIFEST)
    manifest.validate_imports()
    commands = {command.id: command for command in manifest.contributions.commands}
    assert {each.command for each in manifest.contributions.widgets} == commands.keys()
    assert all(menu.command in commands for menus in manifest.contributions.menus.values() for menu in menus)
    assert [commands[f"unnoise.{name}"].python_name.partition(":")[2] for name in ("denoise", "train", "report")] == [
        "denoise",
        "train",
        "report",
    ]
    declared = [each.value for each in entry_points(group="napari.manifest") if each.name == "unnoise"]
    assert declared in ([], ["unnoise.napari_plugin:napari.yaml"]), "none: the package was installed before there was a plugin"
    assert 'unnoise = "unnoise.napari_plugin:napari.yaml"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("function", [widgets.denoise, widgets.train, widgets.report])
def test_magicgui_can_make_a_widget_of_each_argument(function: Any) -> None:
    """It looks the annotations up by name, so a wrong one would fail only when the widget opens."""
    from magicgui.signature import magic_signature
    from magicgui.type_map import get_widget_class

    signature = magic_signature(function)
    assert list(signature.parameters) == list(inspect.signature(function).parameters)
    kinds = {
        name: get_widget_class(each.default, each.annotation, each.options)[0].__name__
        for name, each in signature.parameters.items()
        if name != "viewer"
    }
    expected = {"layer": "ComboBox", "model": "ComboBox", "other_model": "FileEdit", "strength": "FloatSlider"}
    expected |= {"neighbours": "SpinBox", "folder": "FileEdit", "minutes": "FloatSpinBox", "restored": "ComboBox"}
    assert kinds.items() <= expected.items()
    assert len(kinds) >= 2


def test_a_gray_layer_gives_what_python_gives_in_the_same_place(generator: np.random.Generator) -> None:
    viewer = ViewerModel()
    noisy = _scene(generator, 60, 70)
    layer = viewer.add_image(noisy, name="cells", scale=(0.2, 0.2), translate=(5, 6), colormap="magma", metadata={"day": 3})
    before = noisy.copy()
    assert widgets.denoise(viewer, layer, "fast", strength=0.8) is None
    made = viewer.layers["cells denoised"]
    np.testing.assert_array_equal(made.data, unnoise.load("fast").denoise(noisy, axes="YX", strength=0.8))
    np.testing.assert_array_equal(layer.data, before)
    np.testing.assert_array_equal(made.scale, layer.scale)
    np.testing.assert_array_equal(made.translate, layer.translate)
    assert made.colormap.name == "magma"
    assert made.metadata["day"] == 3
    assert made.metadata["unnoise"]["model"] == "fast"
    assert len(viewer.layers) == 2


def test_colors_stacks_and_channels(generator: np.random.Generator) -> None:
    model = unnoise.load("fast")
    colors = generator.normal(120, 15, (40, 50, 3)).clip(0, 255).astype(np.uint8)
    pixels, properties, kind = denoise_layer(Image(colors, rgb=True, name="photo"), "fast")
    np.testing.assert_array_equal(pixels, model.denoise(colors))
    assert (properties["rgb"], kind) == (True, "image")

    movie = _scene(generator, 4, 40, 50)
    pixels, *_ = denoise_layer(Image(movie, axis_labels=("t", "y", "x")), "fast", neighbours=1)
    np.testing.assert_array_equal(pixels, model.denoise(movie, axes="TYX", neighbours=1))

    channels = _scene(generator, 2, 3, 40, 50)
    pixels, properties, _ = denoise_layer(Image(channels, axis_labels=("z", "channel", "y", "x")), "fast")
    np.testing.assert_array_equal(pixels, model.denoise(channels, axes="ZCYX"))
    assert Image(pixels, **properties).axis_labels == ("z", "channel", "y", "x")


def test_several_resolutions_and_lazy_arrays(generator: np.random.Generator) -> None:
    dask = pytest.importorskip("dask.array")
    noisy = _scene(generator, 64, 64)
    finest = Image([dask.from_array(noisy, chunks=32), noisy[::2, ::2]], multiscale=True)
    pixels, properties, _ = denoise_layer(finest, "fast")
    np.testing.assert_array_equal(pixels, unnoise.load("fast").denoise(noisy, axes="YX"))
    assert Image(pixels, **properties).data.shape == (64, 64)


def test_a_layer_that_is_no_image_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="The layer mask holds bool"):
        pixels_of(Image(np.zeros((4, 4), bool), name="mask"))
    with pytest.raises(UsageError, match="no-such"):
        denoise_layer(Image(np.zeros((4, 4), np.uint8)), "no-such")


def test_a_report_tells_the_noise_and_judges_what_was_made_of_the_layer(generator: np.random.Generator) -> None:
    viewer = ViewerModel()
    layer = viewer.add_image(_scene(generator, 3, 128, 128), name="stack", axis_labels=("z", "y", "x"))
    other = viewer.add_image(_scene(generator, 3, 128, 128), name="other")
    widgets.denoise(viewer, layer, "fast")
    restored = viewer.layers["stack denoised"]
    text = report_on_layer(layer, restored)
    expected = unnoise.load("fast").judge(layer.data[1], restored.data[1])
    assert "3 frames, of which 3 were measured" in text
    assert expected.sentence() in text
    widgets.report(viewer, layer)
    assert "noise level" in viewer.help
    with pytest.raises(UsageError, match="The layer stack denoised was not made of other"):
        report_on_layer(other, restored)


@pytest.mark.slow
def test_training_on_a_layer_gives_a_model_that_can_be_chosen(generator: np.random.Generator, tmp_path: Path) -> None:
    layer = Image(_scene(generator, 6, 48, 48), name="movie", axis_labels=("t", "y", "x"))
    shares: list[float] = []
    pixels, properties, _ = train_on_layer(layer, tmp_path / "run", steps=3, tell=shares.append)
    model = properties["metadata"]["unnoise"]["model"]
    assert model == str(tmp_path / "run")
    np.testing.assert_array_equal(pixels, shipped.load(model).denoise(layer.data, axes="TYX"))
    assert shares == sorted(shares)
    assert shares[-1] == 1
