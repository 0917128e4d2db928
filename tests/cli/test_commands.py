"""Every command as a user calls it, and what it says and leaves behind when the call or the files are bad."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from command_line import Answer, call
from unnoise import images, recipes
from unnoise.images import Picture
from unnoise.models import shipped
from unnoise.models.model import fresh

STUDENT = {
    "name": "tiny",
    "denoiser": {"name": "tmbsn-student", "width": 4},
    "scheme": {"name": "distillation", "teachers": []},
}


@pytest.fixture
def unnoise(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    return partial(call, monkeypatch, capfd)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    fields = {"name": "tiny", "denoiser": {"name": "dbsn", "features": 4, "modules": 1}, "scheme": "pd-blind-spot"}
    fresh(recipes.validate(fields, "tiny")).save(tmp_path / "tiny.safetensors")
    return tmp_path / "tiny.safetensors"


def _picture(path: Path, shape: tuple[int, ...] = (24, 20, 3), dtype: type = np.uint8) -> Path:
    path.parent.mkdir(exist_ok=True)
    images.write(path, Picture(np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape).astype(dtype)))
    return path


def _is_one_sentence(answer: Answer, status: int) -> None:
    # a line that ends in … only tells what is being done
    lines = [line for line in answer.err.splitlines() if line.strip() and not line.endswith(" …")]
    assert answer.status == status, answer
    assert "Traceback" not in answer.err
    assert len(lines) == 1, lines
    assert lines[0].startswith("unnoise: ")
    assert lines[0].endswith(".")


def test_denoise_beside_into_a_folder_and_to_a_file(unnoise: Callable[..., Answer], model: Path, tmp_path: Path) -> None:
    one = _picture(tmp_path / "in" / "a.png")
    two = _picture(tmp_path / "in" / "b.tif", (9, 7, 4), np.uint16)
    assert unnoise("denoise", one, "--model", model).status == 0
    assert (tmp_path / "in" / "a_denoised.png").is_file()
    answer = unnoise("denoise", tmp_path / "in", "-o", tmp_path / "out", "--model", model)
    assert answer.status == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"a.png", "b.tif"}
    before, after = images.read(two).pixels, images.read(tmp_path / "out" / "b.tif").pixels
    assert (after.shape, after.dtype) == (before.shape, before.dtype)
    assert np.array_equal(after[..., 3], before[..., 3])
    assert unnoise("denoise", one, "-o", tmp_path / "x.jpg", "--model", model, "--ensemble", "--refine").status == 0
    assert (tmp_path / "x.jpg").is_file()


def test_nothing_is_overwritten_unasked(unnoise: Callable[..., Answer], model: Path, tmp_path: Path) -> None:
    one = _picture(tmp_path / "a.png")
    target = _picture(tmp_path / "b.png")
    before = target.read_bytes()
    _is_one_sentence(unnoise("denoise", one, "-o", target, "--model", model), 2)
    assert target.read_bytes() == before
    assert unnoise("denoise", one, "-o", target, "--model", model, "--overwrite").status == 0
    assert target.read_bytes() != before


def test_a_bad_picture_does_not_stop_the_others(unnoise: Callable[..., Answer], model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    whole = _picture(folder / "a.png")
    _picture(folder / "c.png", (1, 1, 3))
    _picture(folder / "d.png", (3, 5))
    (folder / "b.png").write_bytes(whole.read_bytes()[:200])
    answer = unnoise("denoise", folder, "-o", tmp_path / "out", "--model", model)
    *lines, summary = answer.err.splitlines()
    assert summary == "3 written, 1 failed."
    _is_one_sentence(answer._replace(err="\n".join(lines)), 1)
    assert "b.png" in answer.err
    assert sorted(path.name for path in (tmp_path / "out").glob("[!.]*")) == ["a.png", "c.png", "d.png"]


@pytest.fixture
def bad(tmp_path: Path) -> dict[str, Path]:
    """Files that are not what they seem."""
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "text.jpg").write_text("this is no picture")
    (folder / "empty.png").touch()
    photo = _picture(tmp_path / "good" / "photo.jpg", (64, 64, 3)).read_bytes()
    (folder / "cut.jpg").write_bytes(photo[: len(photo) // 2])
    png = _picture(tmp_path / "good" / "photo.png", (64, 64, 3)).read_bytes()
    (folder / "cut.png").write_bytes(png[: len(png) // 2])
    (tmp_path / "nothing").mkdir()
    return {path.name: path for path in folder.iterdir()} | {
        "nothing": tmp_path / "nothing",
        "missing.png": tmp_path / "missing.png",
    }


@pytest.mark.parametrize(
    ("name", "status"),
    [("text.jpg", 1), ("empty.png", 1), ("cut.jpg", 1), ("cut.png", 1), ("nothing", 2), ("missing.png", 2)],
)
def test_bad_pictures(
    name: str, status: int, unnoise: Callable[..., Answer], model: Path, bad: dict[str, Path], tmp_path: Path
) -> None:
    answer = unnoise("denoise", bad[name], "-o", tmp_path / "out", "--model", model)
    _is_one_sentence(answer, status)
    assert name in answer.err
    assert not list(tmp_path.glob("out/*"))


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["denoise", "PICTURE", "--model", "nonsense"], 2),
        (["denoise", "PICTURE", "--model", "MODEL", "--precision", "int3"], 2),
        (["denoise", "PICTURE", "--model", "MODEL", "--device", "warp"], 2),
        (["denoise", "PICTURE", "--model", "MODEL", "--tile", "3"], 2),
        (["denoise", "PICTURE", "--model", "CUT"], 1),
        (["denoise", "PICTURE", "--model", "PICTURE"], 1),
        (["train", "PICTURE", "--out", "OUT", "--recipe", "nonsense"], 2),
        (["train", "PICTURE", "--out", "OUT", "--set", "training.bach=4"], 2),
        (["train", "PICTURE", "--out", "OUT", "--set", "training.batch=many"], 2),
        (["train", "PICTURE", "--out", "OUT", "--set", "batch"], 2),
        (["train", "PICTURE", "--out", "OUT", "--denoiser", "nonsense"], 2),
        (["train", "NOTHING", "--out", "OUT"], 2),
        (["train", "TEXT", "--out", "OUT"], 2),
        (["train", "PICTURE", "--out", "OUT", "--resume"], 2),
        (["train", "PICTURE", "--out", "PICTURE/x", "--steps", "1"], 2),
        (["evaluate", "--model", "MODEL", "--data", "nonsense:NOTHING"], 2),
        (["evaluate", "--model", "MODEL", "--data", "pairs:MISSING"], 2),
        (["evaluate", "--model", "MODEL", "--data", "pairs:NOTHING"], 2),
        (["train", "PICTURE", "--out", "OUT", "--seed", "-1"], 2),
        (["train", "PICTURE", "--out", "OUT", "--seed", "99999999999999999999999"], 2),
        (["train", "PICTURE", "--out", "OUT", "--workers", "-1"], 2),
        (["train", "PICTURE", "--out", "OUT", "--checkpoint-every", "nan"], 2),
        (["train", "PICTURE", "--out", "OUT", "--set", "training.learning_rate=.inf"], 2),
        (["train", "PICTURE", "--out", "TAKEN", "--steps", "1"], 2),
        (["import", "MISSING", "-o", "OUT.safetensors"], 2),
        (["import", "TEXT", "-o", "OUT.safetensors"], 1),
        (["import", "MODEL", "-o", "OUT.pth"], 2),
        (["quantize", "default", "-o", "OUT.pth"], 2),
        (["quantize", "NAN", "-o", "OUT.safetensors"], 1),
        (["import", "NAN", "-o", "OUT.safetensors"], 1),
        (["import", "CUT", "-o", "MODEL"], 2),
        (["quantize", "MODEL", "-o", "OUT.safetensors"], 2),
        (["quantize", "default", "-o", "MODEL"], 2),
        (["quantize", "default", "MISSING", "-o", "OUT.safetensors"], 2),
        (["quantize", "default", "TEXT", "-o", "OUT.safetensors"], 2),
    ],
)
def test_bad_calls(
    arguments: list[str], status: int, unnoise: Callable[..., Answer], model: Path, bad: dict[str, Path], tmp_path: Path
) -> None:
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(model.read_bytes()[:500])
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "model.safetensors").write_bytes(model.read_bytes())
    student = fresh(recipes.validate(STUDENT, "tiny"))
    torch.nn.init.constant_(next(student.network.parameters()), torch.nan)
    student.save(tmp_path / "nan.safetensors")
    places = {
        "TAKEN": tmp_path / "taken",
        "NAN": tmp_path / "nan.safetensors",
        "PICTURE": tmp_path / "good" / "photo.png",
        "MODEL": model,
        "CUT": cut,
        "TEXT": bad["text.jpg"],
        "NOTHING": bad["nothing"],
        "MISSING": tmp_path / "missing.pth",
        "OUT": tmp_path / "out",
    }
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for place, path in places.items():
        arguments = [argument.replace(place, str(path)) if place in argument else argument for argument in arguments]
    _is_one_sentence(unnoise(*arguments), status)
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert before == after  # nothing half-written, nothing changed


def test_a_folder_where_nobody_may_write(unnoise: Callable[..., Answer], model: Path, tmp_path: Path) -> None:
    nowhere = tmp_path / "a file" / "out"  # what lies under a file can be made by nobody, not even by root
    (tmp_path / "a file").touch()
    picture = _picture(tmp_path / "a.png")
    _is_one_sentence(unnoise("denoise", picture, "-o", nowhere, "--model", model), 2)
    _is_one_sentence(unnoise("train", picture, "--out", nowhere, "--steps", "1"), 2)


def test_train_then_evaluate_then_denoise(unnoise: Callable[..., Answer], tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        _picture(tmp_path / "pairs" / "noisy" / name) if (tmp_path / "pairs").mkdir(exist_ok=True) is None else None
        _picture(tmp_path / "pairs" / "clean" / name)
    sizes = [
        "--set",
        "denoiser.features=4",
        "--set",
        "denoiser.modules=1",
        "--set",
        "training.crop=16",
        "--set",
        "training.batch=2",
    ]
    run = tmp_path / "run"
    assert unnoise("train", tmp_path / "pairs" / "noisy", "--recipe", "ap-bsn", "--out", run, "--steps", 3, *sizes).status == 0
    answer = unnoise(
        "train", tmp_path / "pairs" / "noisy", "--recipe", "ap-bsn", "--out", run, "--steps", 5, *sizes, "--resume"
    )
    assert answer.status == 0
    assert "Continuing from step 3" in answer.err
    assert "5 steps" in answer.out
    scores = tmp_path / "scores.json"
    answer = unnoise("evaluate", "--model", run, "--data", f"pairs:{tmp_path / 'pairs'}", "--json", scores, "--no-refine")
    assert answer.status == 0
    assert len(json.loads(scores.read_text())["images"]) == 2
    assert unnoise("denoise", tmp_path / "pairs" / "noisy", "-o", tmp_path / "out", "--model", run).status == 0


def test_import(unnoise: Callable[..., Answer], tmp_path: Path) -> None:
    from unnoise.denoisers.dbsn import DBSN

    torch.save(
        {"model_weight": {"denoiser": {f"bsn.{k}": v for k, v in DBSN(features=4, modules=1).state_dict().items()}}},
        tmp_path / "p.pth",
    )
    answer = unnoise("import", tmp_path / "p.pth", "-o", tmp_path / "ours.safetensors")
    assert answer.status == 0
    assert "ap-bsn: dbsn" in answer.out
    assert unnoise("denoise", _picture(tmp_path / "a.png"), "--model", tmp_path / "ours.safetensors").status == 0


def test_quantize(unnoise: Callable[..., Answer], tmp_path: Path) -> None:
    fresh(recipes.validate(STUDENT, "tiny")).save(tmp_path / "student.safetensors")
    _picture(tmp_path / "noisy" / "a.png")
    out = tmp_path / "bytes.safetensors"
    answer = unnoise("quantize", tmp_path / "student.safetensors", tmp_path / "noisy", "-o", out)
    assert answer.status == 0
    assert "tmbsn-student-rounded" in answer.out
    assert ("int8 changes the result by" in answer.out) != ("does not multiply bytes" in answer.out)
    made = shipped.load(str(out))
    assert made.network.prefers_int8
    assert made.card.command.startswith("unnoise quantize")
    assert unnoise("denoise", tmp_path / "noisy" / "a.png", "--model", out).status == 0
    before = out.read_bytes()
    _is_one_sentence(unnoise("quantize", tmp_path / "student.safetensors", "-o", out), 2)
    assert out.read_bytes() == before
    assert unnoise("quantize", tmp_path / "student.safetensors", "-o", out, "--overwrite").status == 0
    assert out.read_bytes() != before


def test_lists(unnoise: Callable[..., Answer]) -> None:
    assert "ap-bsn" in unnoise("recipes").out
    models = unnoise("models")
    assert models.status == 0
    listed = " ".join(models.out.split())  # lines break where the terminal ends
    for name in shipped.names():
        assert name in listed
        for score in shipped.load(name).card.scores.values():
            assert score.split(",")[0] in listed
    one, none = unnoise("models", "ap-bsn"), unnoise("models", "ap-bsn", "nothing")
    assert "by distillation" not in one.out
    assert (none.status, none.out) == (2, "")
    assert unnoise("--version").out.startswith("unnoise 0.")


def test_unknown_options_exit_with_2(unnoise: Callable[..., Answer]) -> None:
    for arguments in (["denoise"], ["denoise", "x.png", "--nonsense"], ["nonsense"]):
        answer = unnoise(*arguments)
        assert answer.status == 2
        assert "Traceback" not in answer.err


@pytest.mark.parametrize("code", ["import unnoise", "import unnoise.cli"])
def test_start_up_brings_no_heavy_library(code: str) -> None:
    program = f"import sys; {code}; print([m for m in ('torch', 'pyvips', 'matplotlib', 'accelerate') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
