"""What the commands say of calls and files that people got wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from command_line import call
from unnoise import images
from unnoise.images import Picture

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def unnoise(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    """Calls a command in a folder of its own. Gives its exit status, its output, and its errors, each on one line."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        answer = call(monkeypatch, capfd, *arguments)
        return answer.status, " ".join(answer.out.split()), " ".join(answer.err.split())

    return run


@pytest.fixture
def files(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.normal(120, 10, (64, 80, 3)).clip(0, 255).astype(np.uint8)
    images.write(tmp_path / "photo.jpg", Picture(pixels))
    (tmp_path / "model").write_bytes(bytes(99))
    np.save(tmp_path / "objects.npy", np.array([[{}]], dtype=object), allow_pickle=True)
    np.save(tmp_path / "complex.npy", np.ones((20, 20), np.complex64))
    np.save(tmp_path / "stack.npy", rng.random((3, 64, 80), np.float32))
    tifffile.imwrite(tmp_path / "pages.tif", rng.integers(0, 255, (3, 64, 80), np.uint8), photometric="minisblack")


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (
            ["denoise", "photo.jpg", "--model", "photo.jpg"],
            1,
            "photo.jpg is a picture, not a model; give a model's name or its .safetensors file.",
        ),
        (
            ["denoise", "photo.jpg", "--model", "./model"],
            1,
            "model is damaged or no model file (.safetensors); get it again, or give another.",
        ),
        (
            ["denoise", "objects.npy"],
            2,
            "objects.npy holds Python objects, not numbers; save the numbers as an array of floats.",
        ),
        (
            ["denoise", "complex.npy"],
            2,
            "complex.npy has values of type complex64; save its magnitude, or its real and imaginary parts, as arrays of floats.",
        ),
        (
            ["denoise", "photo.jpg", "--axes", "QQ"],
            2,
            "The axes 'QQ' name no picture; give one letter for each axis, Y and X among them, as in ZYX.",
        ),
        (
            ["inspect", "photo.jpg", "--axes", "QQ"],
            2,
            "The axes 'QQ' name no picture; give one letter for each axis, Y and X among them, as in ZYX.",
        ),
        (["denoise", "photo.jpg", "--set", "detail"], 2, "--set takes FIELD=VALUE, such as detail=0.5, got 'detail'."),
        (
            ["train", "photo.jpg", "--out", "run", "--set", "crop"],
            2,
            "--set takes FIELD=VALUE, such as training.batch=4, got 'crop'.",
        ),
        (
            ["inspect", "stack.npy"],
            2,
            "stack.npy has the shape (3, 64, 80), which may mean many things; say which axis is what, as --axes ZYX or axes='ZYX' "
            "(C for channels, Y and X for rows and columns, other letters for pictures one after the other).",
        ),
    ],
)
def test_one_sentence_says_what_was_wrong(arguments: list[str], status: int, sentence: str, unnoise: Call) -> None:
    assert unnoise(*arguments) == (status, "", f"unnoise: {sentence}")


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("arguments", [["pages.tif"], ["stack.npy", "--axes", "ZYX"]])
def test_of_a_stack_frames_are_inspected(arguments: list[str], unnoise: Call) -> None:
    status, out, err = unnoise("inspect", *arguments)
    assert (status, err) == (0, "")
    assert "80×64" in out
    assert "3 frames, of which 3 were measured." in out


def test_the_help_says_that_originals_can_be_replaced(unnoise: Call) -> None:
    _, out, _ = unnoise("denoise", "--help")
    assert "also the originals" in out.replace(" │ │ ", " ")


@pytest.mark.parametrize(
    "error",
    [
        ImportError("/a/_ufuncs.so: failed to map segment from shared object"),
        RuntimeError("can't start new thread"),
        MemoryError(),
    ],
)
@pytest.mark.usefixtures("files")
def test_a_lack_of_memory_is_a_sentence_wherever_it_shows(
    error: Exception, unnoise: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("unnoise.models.shipped.load", fail)
    status, _, said = unnoise("export", "fast", "-o", "a.onnx")
    assert status == 1
    assert said == "unnoise: There is not enough memory for this; close other programs, or give a smaller --tile."
