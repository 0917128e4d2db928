"""Networks run by OpenVINO give what those run by onnxruntime give, at any size. `test_openvino_network.py` runs this by itself."""

from __future__ import annotations

import pickle
import subprocess
import sys
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import unnoise
from command_line import call
from unnoise.errors import UnnoiseError, UsageError
from unnoise.inference import openvino_network
from unnoise.inference.openvino_network import OpenvinoNetwork
from unnoise.models import shipped, stored_networks

pytest.importorskip("openvino", reason="the extra openvino is not installed")

FLOAT32_DIFFERENCE = 1e-5
BFLOAT16_DIFFERENCE, BFLOAT16_RMS_DIFFERENCE = 0.03, 0.006
"""bfloat16 has 8 bits. Measured on white noise: at most 0.005 and 0.0013; on 25×1 pixels 0.0043 of `ap-bsn`."""
INT8_DIFFERENCE, INT8_RMS_DIFFERENCE = 0.1, 0.01
"""Measured on white noise: at most 0.05 and 0.005."""
LARGEST_LOSS_DB = {"bfloat16": 0.1, "int8": 0.15}
"""At 41 dB, where bfloat16 loses 0.08 and int8 0.07; on photographs it loses 0.01 to 0.05 (docs/results/speed-int8.md)."""
SIDES = st.integers(1, 70)
MODELS = "default", "fast", "ap-bsn"


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def types_of(network: object) -> list[str]:
    """The precisions that it has here."""
    assert isinstance(network, OpenvinoNetwork)
    found = []
    for name in ("int8", "bfloat16", "float32"):
        with suppress(UsageError):
            found.append(network.chosen_precision(name))
    return found


@pytest.mark.parametrize("name", MODELS)
def test_it_gives_what_onnxruntime_gives_at_any_size(name: str) -> None:
    ours, theirs = (shipped.load(name, engine).network for engine in ("openvino", "onnx"))
    assert isinstance(ours, OpenvinoNetwork)
    assert (ours.halo, ours.step, ours.sizes) == (theirs.halo, theirs.step, theirs.sizes)
    assert ours.parameter_count() == theirs.parameter_count()

    @settings(max_examples=6, deadline=None)
    @given(SIDES, SIDES, st.integers(0, 99))
    def agree(height: int, width: int, seed: int) -> None:
        noisy = np.random.default_rng(seed).random((1, 3, height, width), np.float32)
        wanted = theirs(noisy)
        assert np.abs(ours(noisy) - wanted).max() < FLOAT32_DIFFERENCE
        if "bfloat16" in types_of(ours):
            off = ours.in_precision("bfloat16")(noisy) - wanted
            assert np.abs(off).max() < BFLOAT16_DIFFERENCE
            assert np.sqrt(np.square(off).mean()) < BFLOAT16_RMS_DIFFERENCE

    agree()


def test_tiles_agree_with_the_whole() -> None:
    model = shipped.load("fast", "openvino")
    noisy = np.random.default_rng(0).integers(0, 256, (101, 147, 3), dtype=np.uint8)
    whole, tiles = (model.denoise(noisy, tile=tile, precision="float32").astype(int) for tile in (None, 48))
    assert np.abs(whole - tiles).max() <= 1
    assert np.abs(whole - noisy).mean() > 5  # it was denoised


@pytest.mark.parametrize(("name", "factor"), [("default", 1), ("fast", 3)])  # `fast` is run in int8 only where it is asked for
def test_in_int8_it_is_near(name: str, factor: int) -> None:
    """On noise that is far stronger than a picture's."""
    network = shipped.load(name, "openvino").network
    noisy = np.random.default_rng(1).random((1, 3, 67, 90), np.float32)
    wanted = network(noisy)
    if "int8" not in types_of(network):
        pytest.skip("this processor does not multiply bytes")
    assert (network.chosen_precision("auto") == "int8") == (name == "default")  # `fast` would lose too much
    off = network.in_precision("int8")(noisy) - wanted
    assert 1e-4 < np.sqrt(np.square(off).mean()) < factor * INT8_RMS_DIFFERENCE
    assert np.abs(off).max() < factor * INT8_DIFFERENCE


def test_files_and_networks_without_steps_have_no_int8() -> None:
    network = shipped.load("ap-bsn", "openvino").network
    assert network.chosen_precision("auto") != "int8"
    with pytest.raises(UsageError, match=r"OpenVINO computes in float32.* here, not in int8; leave --precision out"):
        network.in_precision("int8")


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_pictures_lose_next_to_nothing(precision: str) -> None:
    model = shipped.load("default", "openvino")
    if precision not in types_of(model.network):
        pytest.skip(f"this processor has no {precision}")
    rows, columns = np.mgrid[0:120, 0:150]
    clean = np.stack(
        [90 + 60 * np.sin(columns / 17), 100 + 50 * np.sin(columns / 11 + rows / 30), 120 + 40 * np.cos(rows / 9)], -1
    )
    noisy = (clean + np.random.default_rng(0).normal(0, 15, clean.shape)).clip(0, 255).astype(np.uint8)
    errors = [np.square(model.denoise(noisy, precision=name) - clean).mean() for name in ("float32", precision)]
    assert 10 * np.log10(errors[1] / errors[0]) < LARGEST_LOSS_DB[precision]
    assert errors[0] < np.square(noisy - clean).mean() / 3


def test_a_network_goes_to_other_processes() -> None:
    network = shipped.load("fast", "openvino").network
    noisy = np.random.default_rng(0).random((1, 3, 33, 40), np.float32)
    assert (pickle.loads(pickle.dumps(network))(noisy) == network(noisy)).all()


def test_what_it_cannot_do_is_said() -> None:
    network = shipped.load("fast", "openvino").network
    with pytest.raises(UsageError, match=r"OpenVINO computes in float32.* here, not in int4; leave --precision out"):
        network.in_precision("int4")
    with pytest.raises(UsageError, match=r"The device 'gpu:7' cannot be used by OpenVINO here; choose one of cpu"):
        network.to("gpu:7")
    with pytest.raises(UsageError, match="R³ needs PyTorch"):
        shipped.load("ap-bsn", "openvino").denoise(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8))


def test_the_converter_of_openvino_and_its_counting_are_not_loaded() -> None:
    code = (
        "import sys, unnoise; unnoise.load('fast', engine='openvino');"
        "print([name for name in sys.modules if 'telemetry' in name or name == 'torch' or 'ovc' in name.split('.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_command_line_takes_it(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    noisy = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    Image.fromarray(noisy).save(f"{tmp_path}/noisy.png")
    arguments = "--engine", "openvino", "--model", "fast", "--precision", "float32"
    answer = call(monkeypatch, capfd, "denoise", f"{tmp_path}/noisy.png", "-o", f"{tmp_path}/clean.png", *arguments)
    assert answer.status == 0, answer.err
    wanted = shipped.load("fast", "onnx").denoise(noisy)
    assert np.abs(unnoise.images.read(f"{tmp_path}/clean.png").pixels.astype(int) - wanted).max() <= 1


def test_auto_takes_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"torch", "openvino", "onnxruntime"}
    monkeypatch.setattr(stored_networks, "is_installed", lambda library: library in there)
    assert stored_networks.choose_engine("auto") == "torch"
    there.remove("torch")
    assert stored_networks.choose_engine("auto") == "openvino"
    there.remove("openvino")
    assert stored_networks.choose_engine("auto") == "onnx"
    with pytest.raises(UsageError, match="OpenVINO is not installed; run: pip install openvino, or give --engine onnx"):
        stored_networks.choose_engine("openvino")


def test_a_network_that_was_begun_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str] = []
    compile_ = OpenvinoNetwork._compile

    def noted(network: OpenvinoNetwork, name: str) -> object:
        compiled.append(name)
        return compile_(network, name)

    monkeypatch.setattr(OpenvinoNetwork, "_compile", noted)
    network = stored_networks.begin("default", "openvino", "float32")
    assert network is not None
    model = shipped.load("default", "openvino", network)
    assert model.network is network
    noisy = np.random.default_rng(0).random((1, 3, 30, 40), np.float32)
    restored = network(noisy)
    assert (network(noisy) == restored).all()
    assert compiled == ["float32"]
    assert (restored == shipped.load("default", "openvino").network(noisy)).all()


def test_what_fails_when_it_is_begun_is_told_when_it_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(network: OpenvinoNetwork, name: str) -> object:
        raise UnnoiseError("The graph is damaged.")

    monkeypatch.setattr(OpenvinoNetwork, "_compile", damaged)
    network = stored_networks.begin("fast", "openvino", None)
    assert network is not None
    with pytest.raises(UnnoiseError, match="The graph is damaged"):
        network.in_precision(None)


def test_only_what_ships_as_a_graph_is_begun() -> None:
    assert stored_networks.begin("tm-bsn", "openvino", None) is None  # needs PyTorch, which loading tells
    assert stored_networks.begin("none", "openvino", None) is None
    assert stored_networks.begin("fast", "torch", None) is None
    assert stored_networks.begin("fast", "openvino", "int4") is None


def test_memory_stays_for_the_next_tile_and_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    network = shipped.load("fast", "openvino").network
    assert isinstance(network, OpenvinoNetwork)
    noisy = np.random.default_rng(0).random((1, 3, 64, 80), np.float32)
    wanted = network(noisy)
    assert not network._idle  # the first is mostly the only one
    assert (network(noisy) == wanted).all()
    (kept,) = network._idle["float32"]
    assert (network(noisy) == wanted).all()
    assert network._idle["float32"] == [kept]
    monkeypatch.setattr(openvino_network, "KEPT_BYTES", 0)
    with network.at_work():
        network(noisy)
        assert network._idle["float32"] == [kept]  # for the next tile
    assert not network._idle  # too large for the next picture
    assert (network(noisy) == wanted).all()
